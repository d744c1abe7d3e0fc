"""``mistique show KEY``: one intermediate and its columns."""

from __future__ import annotations

import argparse

from rich.markup import escape

from mistique_core.catalogue.intermediates import columns_of, find_intermediate
from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.model import IntermediateKey
from mistique_core.planner import format_bytes


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("show", help="describe an intermediate", description="Describe an intermediate.")
    parser.add_argument("key", metavar="KEY", help="project.model[@version].intermediate")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Describe an intermediate."""
    from mistique_core.frames import LogicalType

    with open_store(args) as store:
        with store.catalogue.read() as connection:
            record = find_intermediate(connection, IntermediateKey.parse(args.key))
            columns = columns_of(connection, record.ref.id)
        plan = store.explain(record.ref.key)
    ref = record.ref
    console.print(f"[bold]{escape(f'{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}')}[/bold]")
    logical, stored = format_bytes(record.logical_bytes), format_bytes(record.stored_bytes)
    say(f"{ref.rows:,} rows, {len(columns)} columns, {logical} logical, {stored} added to the store")
    shown = table("COLUMN", "TYPE", ("BYTES", "right"))
    for column in columns:
        label = LogicalType.from_json(column.logical_type).label
        shown.add_row(*cells([column.name, label, format_bytes(column.logical_bytes)]))
    console.print(shown)
    say(plan.explain())
