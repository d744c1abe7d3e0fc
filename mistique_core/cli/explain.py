"""``mistique explain KEY``: read or re-run, and why."""

from __future__ import annotations

import argparse

from mistique_core.cli.context import open_store, say
from mistique_core.cli.options import add_strategy, add_where, row_ids
from mistique_core.diagnostics.predicate import parse_predicate


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain",
        help="show the plan of a query",
        description="Show how a query would be answered, without reading any values.",
    )
    parser.add_argument("keys", nargs="+", metavar="KEY", help="project.model[@version].intermediate[.column]")
    parser.add_argument("--rows", type=row_ids, metavar="ID,ID...", help="row ids")
    parser.add_argument("-n", type=int, metavar="N", help="most rows")
    add_where(parser)
    add_strategy(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Show the plan of a query."""
    with open_store(args) as store:
        where = [parse_predicate("--where", text) for text in args.where]
        plan = store.explain(args.keys, row_id=args.rows, n_ex=args.n, where=where or None, strategy=args.strategy)
    say(plan.explain())
