"""``mistique zillow generate``: tables in the shape of the Zillow Prize's."""

from __future__ import annotations

import argparse

from mistique_core.cli.context import say
from mistique_core.cli.progress import progress_bar

_DEFAULT_ROWS = 300_000


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "zillow",
        help="make tables like those of the Zillow Prize",
        description="The Zillow Prize's files may not be passed on; these have their shape (thesis 5.7.1).",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    generate = commands.add_parser(
        "generate",
        help="write the three CSV files",
        description="Write properties_2016.csv, train_2016_v2.csv and sample_submission.csv. Point MISTIQUE_ZILLOW_DIR "
        "at the folder, and the Zillow workflows read them.",
    )
    generate.add_argument("--rows", type=int, default=_DEFAULT_ROWS, metavar="N", help="homes (default: 300000)")
    generate.add_argument("--folder", default="zillow", metavar="FOLDER", help="where (default: ./zillow)")
    generate.add_argument("--seed", type=int, default=7, metavar="N", help="seed of the generator (default: 7)")
    generate.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the files."""
    from mistique_core.workflows.zillow import write_files

    with progress_bar("writing rows") as progress:
        paths = write_files(args.folder, args.rows, args.seed, progress)
    for path in paths.values():
        say(f"{path}: {path.stat().st_size / 1e6:,.1f} MB")
    say(f"export MISTIQUE_ZILLOW_DIR={paths['properties'].parent.absolute()}")
