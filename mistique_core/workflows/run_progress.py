"""A progress bar for the stages of a run, where a person looks at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mistique_core.planner.plan import format_bytes


class RunProgress:
    """Stages done, bytes logged and seconds on stderr; a context manager.

    Parameters
    ----------
    stages
        Number of stages.
    shown
        Whether to draw; ``None`` means only if stderr is a terminal.
    """

    def __init__(self, stages: int, shown: bool | None) -> None:
        console = Console(stderr=True)
        visible = console.is_terminal if shown is None else shown
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[logged]}"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not visible)
        self._bytes = 0
        self._task = self._bar.add_task("", total=stages, logged="")

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def start(self, stage: str) -> None:
        """Say which stage runs now."""
        self._bar.update(self._task, description=escape(stage))

    def finish(self, logical_bytes: int | None = None) -> None:
        """Count a stage as done, which logged so many bytes, where that is known."""
        self._bar.update(self._task, advance=1)
        if logical_bytes is not None:
            self._bytes += logical_bytes
            self._bar.update(self._task, logged=format_bytes(self._bytes))
