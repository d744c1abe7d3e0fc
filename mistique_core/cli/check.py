"""``mistique check``: look for damage."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from mistique_core.cli.amounts import seconds
from mistique_core.cli.context import open_store, say
from mistique_core.cli.progress import progress_bar
from mistique_core.planner import format_bytes

if TYPE_CHECKING:
    from mistique_core.maintenance import CheckReport


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="look for damage",
        description="Check the store and change nothing. The exit status is 0 if it is clean, 1 if it is not.",
    )
    parser.add_argument("--read-data", action="store_true", help="read and verify every byte")
    parser.add_argument("--subset", metavar="N/T|P%", help="read only the n-th of t parts, or a random share")
    parser.add_argument(
        "--max-time", type=seconds, metavar="TIME", help="read for so long; the next such check goes on from there"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check; return 1 if anything is wrong."""
    with open_store(args) as store, progress_bar("reading partitions") as progress:
        report = store.check(read_data=args.read_data, subset=args.subset, max_seconds=args.max_time, progress=progress)
    if args.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        print_report(report)
    return 0 if report.is_clean else 1


def print_report(report: CheckReport) -> None:
    """Print what was looked at and what is wrong."""
    for problem in report.problems:
        say(f"{problem.kind}: {problem.what}")
        say(f"  -> {problem.remedy}")
    say(
        f"{report.intermediates} intermediates, {report.column_versions} columns, {report.chunks} chunks, "
        f"{report.partitions} partitions ({format_bytes(report.partition_bytes)})"
    )
    if report.covered:
        more = "" if report.is_complete else "; the next check with --max-time goes on from there"
        say(f"{report.covered} partitions ({format_bytes(report.covered_bytes)}) read and verified{more}")
    if report.waiting_files or report.orphans:
        say(
            f"{report.waiting_files} files ({format_bytes(report.waiting_bytes)}) of removed partitions and "
            f"{report.orphans} ({format_bytes(report.orphan_bytes)}) of interrupted writes wait for 'mistique gc'"
        )
    if report.open_writes:
        say(f"writes in progress: {', '.join(report.open_writes)}")
    say("no problems" if report.is_clean else f"{len(report.problems)} problems")
