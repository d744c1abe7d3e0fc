"""``mistique gc``: remove what nothing refers to."""

from __future__ import annotations

import argparse
import dataclasses
import json

from mistique_core.cli.amounts import seconds
from mistique_core.cli.context import open_store, say
from mistique_core.cli.progress import progress_bar
from mistique_core.planner import format_bytes

_DEFAULT_GRACE = "3d"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "gc",
        help="free the bytes of what was deleted",
        description="Remove rows that nothing refers to, and files whose grace period is over.",
    )
    parser.add_argument(
        "--grace", type=seconds, default=seconds(_DEFAULT_GRACE), metavar="TIME",
        help=f"how long files stay after their rows were removed (default: {_DEFAULT_GRACE})",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and change nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Collect garbage."""
    with open_store(args) as store, progress_bar("deleting files") as progress:
        report = store.gc(grace_seconds=args.grace, dry_run=args.dry_run, progress=progress)
    if args.json:
        leftovers = [item._asdict() for item in report.leftovers]
        print(json.dumps({**dataclasses.asdict(report), "leftovers": leftovers}, indent=2))
        return
    verb = "would remove" if args.dry_run else "removed"
    say(
        f"{verb} {report.chunks} chunks ({format_bytes(report.chunk_bytes)}), {report.column_versions} columns and "
        f"{report.partitions} partitions ({format_bytes(report.partition_bytes)}) from the catalogue"
    )
    deleted = f"{'would delete' if args.dry_run else 'deleted'} {len(report.deleted_files)} files"
    orphans = f", {len(report.orphans)} of them left by interrupted writes" if report.orphans else ""
    say(f"{deleted} ({format_bytes(report.deleted_bytes)}){orphans}")
    if report.waiting_files:
        say(f"{report.waiting_files} files ({format_bytes(report.waiting_bytes)}) wait for their grace period to end")
    if report.leftovers:
        say(f"{verb} {len(report.leftovers)} unfinished files ({format_bytes(sum(i.bytes for i in report.leftovers))})")
    if report.missing_files:
        say(f"{len(report.missing_files)} files of removed partitions were already gone")
    if report.stale_writes:
        say(f"{'would forget' if args.dry_run else 'forgot'} {len(report.stale_writes)} writes whose process is gone")
