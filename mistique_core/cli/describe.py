"""``mistique describe KEY``: schema, sizes and lineage of an intermediate, or all of it as a Croissant data set."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.errors import InvalidInputError
from mistique_core.planner import format_bytes

if TYPE_CHECKING:
    from mistique_core.exports.description import Description

_FORMATS = ("text", "json", "croissant")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "describe",
        help="schema, sizes and lineage of an intermediate, also as a Croissant data set",
        description="Describe an intermediate: its columns and sizes, and the run, stage and inputs it comes from. "
        "The format croissant writes croissant.json and data.parquet into a folder.",
    )
    parser.add_argument("key", metavar="KEY", help="project.model[@version].intermediate[.column]")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="default: text")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="where the files of croissant go (default: a folder named by the key)"
    )
    parser.add_argument("--license", metavar="URL", help="URL or SPDX name of the licence, for croissant")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Describe an intermediate."""
    from mistique_core.exports.croissant import export_croissant
    from mistique_core.exports.description import describe

    if args.format != "croissant" and (args.output or args.license):
        raise InvalidInputError("--output and --license are for --format croissant; add it, or leave them out")
    with open_store(args) as store:
        described = describe(store, args.key)
        if args.format == "croissant":
            folder = args.output or quote(described.key, safe="@")
            made = export_croissant(store, args.key, folder, license=args.license)
            say(f"{made.document}: describes {made.data.path.name}")
            say(
                f"{made.data.path}: {made.data.rows:,} rows, {format_bytes(made.data.bytes)}, sha256 {made.data.sha256}"
            )
            if made.left_out:
                say(f"left out, because Parquet has no type for them: {', '.join(made.left_out)}")
            return
    if args.format == "json":
        print(json.dumps(dataclasses.asdict(described), indent=2))
    else:
        _print(described)


def _print(described: Description) -> None:
    say(described.key)
    logical, stored = format_bytes(described.logical_bytes), format_bytes(described.stored_bytes)
    kept = "" if described.is_stored else "; not all of it stays stored"
    say(f"{described.rows:,} rows, {len(described.columns)} columns, {logical} logical, {stored} added{kept}")
    shown = table("COLUMN", "TYPE", "MAP", ("BYTES", "right"), ("MAX ERROR", "right"))
    for column in described.columns:
        size = "x".join(map(str, column.map_shape))
        error = f"{column.max_abs_error:g}" if column.scheme is not None else None
        shown.add_row(*cells([column.name, column.type, size, format_bytes(column.logical_bytes), error]))
    console.print(shown)
    say(f"created   {datetime.fromtimestamp(described.created_at, UTC):%Y-%m-%d %H:%M:%S} UTC")
    origin = described.run
    by = f" by {origin.author}" if origin.author else ""
    say(f"run       {origin.dag_id} {origin.run_id} ({origin.source}, {origin.state}){by}")
    stage = described.stage
    if stage is None:
        say("stage     none: logged by hand")
    else:
        reused = f", reused from {stage.reused_from}" if stage.reused_from else ""
        say(f"stage     {stage.name} ({stage.label}){reused}")
        for name, label in stage.inputs.items():
            say(f"input     {name or '-'} {label}")
        if stage.code_hash:
            say(f"code      {stage.code_hash}")
    say(f"address   {described.address}")
