"""Progress on the terminal, with the seconds since the start."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape


class Teller:
    """Prints progress with the seconds since the start."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._start = time.monotonic()

    def step(self, text: str) -> None:
        """Print a step."""
        self.console.print(f"[dim]{time.monotonic() - self._start:6.1f} s[/dim]  [bold]{escape(text)}[/bold]")

    def detail(self, text: str) -> None:
        """Print progress within a step."""
        self.console.print(f"[dim]{time.monotonic() - self._start:6.1f} s[/dim]    {escape(text)}")

    def task(self, dag_id: str, task_id: str, state: str, done: int, total: int) -> None:
        """Print that a task ended."""
        self.detail(f"{dag_id:28s} {done}/{total}  {task_id} {'' if state == 'success' else state.upper()}")
