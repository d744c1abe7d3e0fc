"""Reports as plain text, for ``print``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 160


def as_text(table: Table, summary: str) -> str:
    """Return a table without colours, and a line below it."""
    from rich.console import Console

    console = Console(width=_WIDTH, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*lines, summary])
