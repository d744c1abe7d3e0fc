"""``mistique materialize MODEL`` or ``--all``: let go of what can be re-run."""

from __future__ import annotations

import argparse
import dataclasses
import json

from mistique_core.cli.amounts import size_bytes
from mistique_core.cli.context import open_store, say
from mistique_core.cli.progress import progress_bar
from mistique_core.errors import InvalidInputError
from mistique_core.maintenance import MaterializeReport
from mistique_core.materialization import Adaptive, Budget, Policy
from mistique_core.materialization.policy import DEFAULT_GAMMA_MIN
from mistique_core.model import IntermediateKey
from mistique_core.planner import format_bytes


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "materialize",
        help="let go of intermediates that can be re-run",
        description="Let go of the intermediates of a model that can be re-run and that no query has made worth their "
        "bytes. Each is first re-run and compared; what does not come out the same stays. 'mistique gc' and "
        "'mistique compact' free the bytes.",
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="project.model[@version]")
    parser.add_argument(
        "--all",
        action="store_true",
        help="all models whose runs have ended, in one budget: --budget, or else the setting budget_bytes of the store",
    )
    parser.add_argument(
        "--gamma-min",
        type=float,
        metavar="SECONDS",
        help=f"keep what saves at least so many seconds of queries per GB (default: {DEFAULT_GAMMA_MIN:g})",
    )
    parser.add_argument("--budget", type=size_bytes, metavar="SIZE", help="instead: keep the best that fits, e.g. 10MB")
    parser.add_argument("--dry-run", action="store_true", help="say what would be let go, and change nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Apply a policy to a model version, or to all."""
    if args.all == (args.model is not None):
        raise InvalidInputError("name one model, such as project.model@3, or give --all")
    with open_store(args) as store, progress_bar("comparing with re-runs") as progress:
        if args.all:
            report = store.materialize_all(policy=_policy(args), dry_run=args.dry_run, progress=progress)
        else:
            key = IntermediateKey.parse(f"{args.model}.any")
            policy = _policy(args) or Adaptive()
            report = store.materialize(
                key.project, key.model, version=key.version, policy=policy, dry_run=args.dry_run, progress=progress
            )
    if args.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
        return
    _say(report)


def _policy(args: argparse.Namespace) -> Policy | None:
    """Return the policy that the options name; ``None`` for the default."""
    if args.budget is not None:
        return Budget(args.budget)
    return None if args.gamma_min is None else Adaptive(args.gamma_min)


def _say(report: MaterializeReport) -> None:
    would = "would let go" if report.dry_run else "let go"
    say(f"{would} of {len(report.let_go)} intermediates: {', '.join(report.let_go) or 'none'}")
    for name, columns in report.partly.items():
        say(f"  of {name} {columns} column{'s' if columns > 1 else ''} that queries ask for stay")
    say(f"{len(report.kept)} stay: {', '.join(report.kept) or 'none'}")
    for name in report.unequal:
        say(f"  {name} stays because its re-run gives other values; see the log")
    say(f"{format_bytes(report.freed_bytes)} can be freed by 'mistique gc' and 'mistique compact'")
