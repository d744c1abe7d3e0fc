"""The progress of a capture, where a person looks at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mistique_core.planner.plan import format_bytes

if TYPE_CHECKING:
    from rich.table import Table


class CaptureProgress:
    """Rows done, bytes stored and time left on stderr; a context manager.

    Parameters
    ----------
    rows
        Rows to do.
    shown
        Whether to draw; ``None`` means only if stderr is a terminal.
    """

    def __init__(self, rows: int, shown: bool | None) -> None:
        self._console = Console(stderr=True)
        self.is_shown = self._console.is_terminal if shown is None else shown
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows"),
            TextColumn("{task.fields[stored]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self.is_shown)
        self._task = self._bar.add_task("capturing", total=rows, stored="0 B")
        self._bytes = 0

    def __enter__(self) -> CaptureProgress:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def show(self, table: Table, line: str) -> None:
        """Print what will be done."""
        if self.is_shown:
            self._console.print(table)
            self._console.print(line, highlight=False)

    def store(self, stored_bytes: int) -> None:
        """Count bytes as stored."""
        self._bytes += stored_bytes
        self._bar.update(self._task, stored=f"{format_bytes(self._bytes)} stored")

    def finish(self, rows: int) -> None:
        """Count rows as done."""
        self._bar.update(self._task, advance=rows)
