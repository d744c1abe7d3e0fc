"""``mistique get KEY``: the values."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.cli.options import add_strategy, add_where, row_ids
from mistique_core.diagnostics.predicate import parse_predicate
from mistique_core.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 20


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "get", help="print or save values", description="Print the values of columns, or save them as CSV or Parquet."
    )
    parser.add_argument("keys", nargs="+", metavar="KEY", help="project.model[@version].intermediate[.column]")
    parser.add_argument("--rows", type=row_ids, metavar="ID,ID...", help="row ids")
    parser.add_argument("-n", type=int, metavar="N", help=f"most rows (default: print {_SHOWN}, save all)")
    add_where(parser)
    add_strategy(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="save to FILE.csv or FILE.parquet; '-' prints CSV")
    parser.add_argument("--explain", action="store_true", help="also print how it was answered")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print or save values."""
    if args.output and args.output != "-" and not args.output.endswith((".csv", ".parquet")):
        raise InvalidInputError(f"cannot tell the format of {args.output!r}; end it with .csv or .parquet")
    where = [parse_predicate("--where", text) for text in args.where]
    with open_store(args) as store:
        result = store.get_intermediates(
            args.keys, row_id=args.rows, n_ex=args.n, where=where or None, strategy=args.strategy
        )
    frame = result.to_pandas()
    if args.output == "-":
        frame.to_csv(sys.stdout)
    elif args.output:
        _save(frame, args.output)
    else:
        shown = table(("row_id", "right"), *((str(name), "right") for name in frame.columns))
        limit = args.n if args.n is not None else _SHOWN
        for row in frame.head(limit).itertuples(name=None):
            shown.add_row(*cells([f"{value:.6g}" if isinstance(value, float) else value for value in row]))
        console.print(shown)
        if len(frame) > limit:
            say(f"{limit} of {len(frame):,} rows; -n N prints more, -o FILE.csv saves all")
    if args.explain:
        print(result.plan.explain(), file=sys.stderr)


def _save(frame: pd.DataFrame, output: str) -> None:
    try:
        if output.endswith(".csv"):
            frame.to_csv(output)
        else:
            frame.to_parquet(output)
    except ImportError as error:
        raise InvalidInputError("Parquet needs pyarrow; install it, or save as .csv") from error
    except OSError as error:
        raise StorageError(f"cannot write {output!r}: {error.strerror or error}; choose another file") from error
