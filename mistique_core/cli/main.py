"""The ``mistique`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata

from mistique_core.cli import (
    check,
    compact,
    completion,
    delete,
    describe,
    diagnose,
    doctor,
    explain,
    gc,
    get,
    import_run,
    ls,
    materialize,
    mlflow,
    modeldb,
    network,
    rebuild,
    show,
    stats,
    tensorboard,
    workflow,
    zillow,
)
from mistique_core.config import CATALOGUE_VARIABLE, HOME_VARIABLE
from mistique_core.errors import MistiqueError

COMMAND_GROUP = "mistique.commands"
"""Entry-point group through which other packages add commands: each is ``register(subparsers)``."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands, those of other installed packages included."""
    parser = argparse.ArgumentParser(
        prog="mistique",
        description="Ask what any stage of any model held, and see what storing it costs.",
        epilog=f"The store is --store, else ${HOME_VARIABLE}, else ~/.mistique.",
    )
    parser.add_argument("--version", action="version", version=f"mistique {metadata.version('mistique-airflow')}")
    parser.add_argument("--store", metavar="FOLDER", help="folder of the store")
    parser.add_argument(
        "--catalogue",
        metavar="URL",
        help=f"SQLAlchemy URL of the catalogue (default: ${CATALOGUE_VARIABLE} or in the store)",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands = (
        ls,
        show,
        describe,
        get,
        explain,
        diagnose,
        stats,
        workflow,
        network,
        modeldb,
        import_run,
        mlflow,
        materialize,
        delete,
        gc,
        compact,
        check,
        rebuild,
        tensorboard,
        doctor,
        completion,
    )
    for command in (*commands, zillow):
        command.register(subparsers)
    for entry in sorted(metadata.entry_points(group=COMMAND_GROUP), key=lambda entry: entry.name):
        entry.load()(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 for an error that was explained, 130 if interrupted."""
    args = build_parser().parse_args(arguments)
    try:
        return int(args.run(args) or 0)
    except MistiqueError as error:
        print(f"mistique: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
