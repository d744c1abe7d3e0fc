"""Options that several commands share."""

from __future__ import annotations

import argparse
import json
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.planner import STRATEGIES

_SYMBOLS = ("==", "!=", "<=", ">=", "<", ">")


def add_strategy(parser: argparse.ArgumentParser) -> None:
    """Add ``--strategy``."""
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="auto",
        help="read, re-run, or whichever is estimated faster (default)",
    )


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add ``--where``."""
    parser.add_argument(
        "--where", action="append", default=[], metavar="'COLUMN>=VALUE'", help="keep matching rows; may be repeated"
    )


def parse_where(text: str) -> tuple[str, str, Any]:
    """Parse ``column>=value``; the value is a JSON value or, failing that, a string.

    Raises
    ------
    InvalidInputError
        If there is no comparison in it.
    """
    found = [(text.index(symbol), -len(symbol), symbol) for symbol in _SYMBOLS if symbol in text]
    if not found:
        raise InvalidInputError(
            f"--where {text!r} has no comparison; write COLUMN>=VALUE with one of {' '.join(_SYMBOLS)}"
        )
    symbol = min(found)[2]
    name, _, value = text.partition(symbol)
    try:
        parsed = json.loads(value.strip())
    except json.JSONDecodeError:
        parsed = value.strip()
    return name.strip(), symbol, parsed


def row_ids(text: str) -> list[int]:
    """Parse ``3,17,20``; used as an argparse type."""
    return [int(item) for item in text.split(",")]
