"""``mistique explain KEY``: read or re-run, and why."""

from __future__ import annotations

import argparse

from mistique_core.cli.context import open_store, say
from mistique_core.cli.options import add_strategy, add_where, parse_where


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain",
        help="show the plan of a query",
        description="Show how a query would be answered, without touching data.",
    )
    parser.add_argument("keys", nargs="+", metavar="KEY", help="project.model[@version].intermediate[.column]")
    add_where(parser)
    add_strategy(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Show the plan of a query."""
    with open_store(args) as store:
        plan = store.explain(
            args.keys, where=[parse_where(text) for text in args.where] or None, strategy=args.strategy
        )
    say(plan.explain())
