"""``mistique ls``: what is in the store."""

from __future__ import annotations

import argparse
from typing import Any

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.errors import NotFoundError, did_you_mean
from mistique_core.planner import format_bytes


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "ls", help="list intermediates", description="List intermediates, newest version first."
    )
    parser.add_argument("path", nargs="?", default="", metavar="PROJECT[.MODEL]", help="restrict the list")
    parser.add_argument(
        "--all-versions", action="store_true", help="list every version, not only the newest of a model"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """List intermediates."""
    project, _, model = args.path.partition(".")
    with open_store(args) as store:
        everything = store.intermediates()
    frame = everything
    for column, wanted in (("project", project), ("model", model)):
        if wanted:
            if wanted not in set(frame[column]):
                raise NotFoundError(f"{column} {wanted!r} does not exist; {did_you_mean(wanted, frame[column])}")
            frame = frame[frame[column] == wanted]
    if not args.all_versions and len(frame):
        newest = frame.groupby(["project", "model"])["version"].transform("max")
        frame = frame[frame["version"] == newest]
    shown = table(
        "INTERMEDIATE", ("ROWS", "right"), ("COLUMNS", "right"), ("LOGICAL", "right"), ("STORED", "right"), ""
    )
    row: Any
    for row in frame.itertuples():
        name = f"{row.project}.{row.model}@{row.version}.{row.intermediate}"
        state = "reused" if row.reused else "" if row.state == "success" else str(row.state)
        sizes = (format_bytes(row.logical_bytes), format_bytes(row.stored_bytes))
        shown.add_row(*cells([name, f"{row.rows:,}", row.columns, *sizes, state]))
    console.print(shown)
    total = format_bytes(float(frame["logical_bytes"].sum()))
    say(f"{len(frame)} intermediates, {total} logical, {format_bytes(float(frame['stored_bytes'].sum()))} stored")
