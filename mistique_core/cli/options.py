"""Options that several commands share."""

from __future__ import annotations

import argparse

from mistique_core.planner import STRATEGIES


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


def row_ids(text: str) -> list[int]:
    """Parse ``3,17,20``; used as an argparse type."""
    return [int(item) for item in text.split(",")]
