"""``mistique compact``: merge small partitions, and drop dead bytes from large ones."""

from __future__ import annotations

import argparse
import dataclasses
import json

from mistique_core.cli.amounts import share, size_bytes
from mistique_core.cli.context import open_store, say
from mistique_core.cli.progress import progress_bar
from mistique_core.planner import format_bytes

_DEFAULT_DEAD, _DEFAULT_SMALL = "5%", "8MiB"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "compact",
        help="merge small files and drop dead bytes",
        description="Write wasteful and small partitions anew. 'mistique gc' deletes the old files.",
    )
    parser.add_argument(
        "--max-dead",
        type=share,
        default=share(_DEFAULT_DEAD),
        metavar="SHARE",
        help=f"rewrite files of which more is dead (default: {_DEFAULT_DEAD}%)",
    )
    parser.add_argument(
        "--small",
        type=size_bytes,
        default=size_bytes(_DEFAULT_SMALL),
        metavar="SIZE",
        help=f"merge files that are smaller (default: {_DEFAULT_SMALL})",
    )
    parser.add_argument(
        "--rewrite", action="append", default=[], metavar="NAME", help="rewrite this partition; may be repeated"
    )
    parser.add_argument("--dry-run", action="store_true", help="read and say what would be done, and change nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compact; return 1 if damaged chunks had to stay where they are."""
    with open_store(args) as store, progress_bar("rewriting partitions") as progress:
        report = store.compact(
            max_dead=args.max_dead,
            small_bytes=args.small,
            rewrite=args.rewrite,
            dry_run=args.dry_run,
            progress=progress,
        )
    if args.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
        return 1 if report.problems else 0
    for problem in report.problems:
        say(f"{problem.kind}: {problem.what}")
        say(f"  -> {problem.remedy}")
    say(
        f"{'would replace' if args.dry_run else 'replaced'} {len(report.removed)} partitions "
        f"({format_bytes(report.removed_bytes)}) by {len(report.written)} ({format_bytes(report.written_bytes)}), "
        f"{report.moved_chunks} chunks moved"
    )
    if report.removed and not args.dry_run:
        say("'mistique gc' deletes the old files")
    return 1 if report.problems else 0
