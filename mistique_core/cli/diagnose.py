"""``mistique diagnose TECHNIQUE``: answer a diagnostic question."""

from __future__ import annotations

import argparse
import json

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.cli.options import add_strategy, row_ids


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "diagnose",
        help="answer a diagnostic question",
        description="Answer pointq, topk, col_diff or confusion_matrix.",
    )
    parser.add_argument("technique", metavar="TECHNIQUE", help="pointq, topk, col_diff or confusion_matrix")
    parser.add_argument("project", metavar="PROJECT")
    parser.add_argument("intermediate", metavar="INTERMEDIATE")
    parser.add_argument("--model", action="append", default=[], metavar="MODEL[@VERSION]", help="once or twice")
    parser.add_argument("--column", action="append", default=[], metavar="COLUMN", help="may be repeated")
    parser.add_argument("--rows", type=row_ids, default=[], metavar="ID,ID...", help="row ids")
    parser.add_argument("-k", type=int, default=10, help="number of examples for topk (default 10)")
    parser.add_argument("--smallest", action="store_true", help="topk: the smallest values")
    parser.add_argument(
        "--tolerance", type=float, default=0.0, help="col_diff: largest difference to ignore (default 0)"
    )
    add_strategy(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer a diagnostic question."""
    from mistique_core.diagnostics import DiagnosticRequest, diagnose

    request = DiagnosticRequest.from_json(
        {
            "technique": args.technique,
            "project": args.project,
            "models": args.model,
            "intermediate": args.intermediate,
            "columns": args.column,
            "rows": args.rows,
            "k": args.k,
            "largest": not args.smallest,
            "tolerance": args.tolerance,
            "strategy": args.strategy,
        }
    )
    with open_store(args) as store:
        result = diagnose(store, request)
    answer = result.to_json()
    if args.json:
        print(json.dumps({**answer, "plan": result.plan.explain()}, indent=2))
        return
    say(result.sentence)
    shown = table(*((name, "right") for name in answer["columns"]))
    for row in answer["rows"][:20]:
        shown.add_row(*cells([f"{value:.6g}" if isinstance(value, float) else value for value in row]))
    console.print(shown)
    if answer["row_count"] > 20:
        say(f"20 of {answer['row_count']:,} rows; --json prints up to 1,000")
    say(result.plan.explain())
