"""``mistique rebuild``: restore lost rows from the partition files."""

from __future__ import annotations

import argparse
import dataclasses
import json

from mistique_core.cli.context import open_store, say
from mistique_core.cli.progress import progress_bar


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "rebuild",
        help="restore lost rows from the files",
        description="Restore rows of partitions, chunks and columns from the partition files alone. "
        "The exit status is 1 if something could not be restored.",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be restored, and change nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rebuild; return 1 if something could not be restored."""
    with open_store(args) as store, progress_bar("reading partitions") as progress:
        report = store.rebuild(dry_run=args.dry_run, progress=progress)
    if args.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
        return 1 if report.problems else 0
    for problem in report.problems:
        say(f"{problem.kind}: {problem.what}")
        say(f"  -> {problem.remedy}")
    verb = "would restore" if args.dry_run else "restored"
    say(f"{verb} {report.partitions} partitions, {report.chunks} chunks and {report.column_versions} columns")
    if report.moved_chunks or report.relisted_columns:
        corrected = "would correct" if args.dry_run else "corrected"
        say(f"{corrected} the place of {report.moved_chunks} chunks and the lists of {report.relisted_columns} columns")
    say(f"{report.intermediates} intermediates {'would have' if args.dry_run else 'have'} all their columns again")
    return 1 if report.problems else 0
