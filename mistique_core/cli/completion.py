"""``mistique completion``: a script that lets a shell complete the commands and options."""

from __future__ import annotations

import argparse

from mistique_core.errors import InvalidInputError

SHELLS = ("bash", "zsh", "tcsh")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "completion",
        help="let a shell complete commands and options",
        description="Print a script for a shell. For bash: mistique completion bash > "
        "~/.local/share/bash-completion/completions/mistique; for zsh, into a file _mistique in a folder of $fpath.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the script.

    Raises
    ------
    InvalidInputError
        If shtab is not installed.
    """
    from mistique_core.cli.main import build_parser

    try:
        import shtab
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "completion needs shtab; install it with: pip install 'mistique-airflow[completion]'"
        ) from error
    print(shtab.complete(build_parser(), args.shell))
