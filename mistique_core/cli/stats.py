"""``mistique stats``: what was logged, what is stored, what was saved."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.config import OBJECT_SCHEME
from mistique_core.planner import format_bytes

if TYPE_CHECKING:
    from mistique_core.store import StoreStatistics


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stats", help="sizes of the store", description="Print sizes of the store, by model."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print sizes."""
    with open_store(args) as store:
        stats = store.stats()
    if args.json:
        print(json.dumps(dataclasses.asdict(stats), indent=2))
    else:
        print_statistics(stats)
        if stats.location.startswith(OBJECT_SCHEME):
            say(f"in {stats.location}, catalogue {stats.catalogue}")


def print_statistics(stats: StoreStatistics) -> None:
    """Print the sizes of a store and of each model."""
    shown = table(
        "MODEL", ("VERSIONS", "right"), ("FRAMES", "right"), ("REUSED", "right"),
        ("LOGICAL", "right"), ("ADDED", "right"),
    )  # fmt: skip
    for model in stats.models:
        sizes = (format_bytes(model.logical_bytes), format_bytes(model.stored_bytes))
        name = f"{model.project}.{model.model}"
        shown.add_row(*cells([name, model.versions, model.intermediates, model.reused_stages, *sizes]))
    console.print(shown)
    files = f"{stats.partitions} partition files"
    say(
        f"{stats.intermediates} intermediates, {format_bytes(stats.logical_bytes)} as logged; "
        f"{format_bytes(stats.partition_bytes)} in {files} (fitted models included), "
        f"{format_bytes(stats.catalogue_bytes)} of catalogue"
    )
    if stats.partition_bytes:
        saved = stats.logical_bytes / stats.partition_bytes
        say(f"{saved:.1f}x less than storing every intermediate as it is")
    if stats.delta_chunks:
        saved_bytes = format_bytes(stats.delta_saved_bytes)
        say(f"{stats.delta_chunks} of {stats.chunks} chunks are differences to similar ones, {saved_bytes} smaller so")
