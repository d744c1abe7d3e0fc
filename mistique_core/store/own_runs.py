"""The runs that a store opens by itself for what is logged without one.

What one opened store logs for a model belongs to one version, until a name comes again: that starts
the next version.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from mistique_core.store.run import Run

Result = TypeVar("Result")


class OwnRuns:
    """The current run of each model; safe to use from several threads.

    Parameters
    ----------
    start
        Opens a run of (project, model).
    """

    def __init__(self, start: Callable[[str, str], Run]) -> None:
        self._start = start
        self._runs: dict[tuple[str, str], tuple[Run, set[str]]] = {}
        self._lock = threading.Lock()

    def log(self, project: str, model: str, intermediate: str, action: Callable[[Run], Result]) -> Result:
        """Return what `action` makes of the run that an intermediate of that name belongs to."""
        with self._lock:
            run, names = self._runs.get((project, model), (None, set[str]()))
            if run is None or intermediate in names:
                run, names = self._start(project, model), set()
        try:
            result = action(run)
        except BaseException as error:  # the frames may come from code of the user
            if not names:
                run.finish(f"{type(error).__name__}: {error}")
            raise
        run.finish()
        with self._lock:
            self._runs[(project, model)] = (run, names | {intermediate})
        return result

    def forget(self, project: str, model: str | None) -> None:
        """Begin a new version with the next frame of a model, or of every model of a project."""
        with self._lock:
            self._runs = {
                key: run for key, run in self._runs.items() if key[0] != project or model not in (None, key[1])
            }
