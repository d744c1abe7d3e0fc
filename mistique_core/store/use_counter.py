"""Counting queries: n_query of thesis Eq. 5.5, for each intermediate and each of its columns."""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from mistique_core.catalogue.column_use import Uses, count_uses, uses_of
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.open_writes import hold_shared
from mistique_core.planner import QueryPlan

QUERIES_UNTIL_SAVED = 64


class UseCounter:
    """Counts what this process asks for, and adds it to what all processes have saved.

    Every query counts, however it is answered. Counts are saved every 64 queries, when the store is closed, and at once
    after a re-run that may be stored some day: those decide.

    Parameters
    ----------
    catalogue
        Where counts are saved.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._waiting: dict[int, Uses] = {}
        self._queries = 0
        self._lock = threading.Lock()

    def note(self, plan: QueryPlan) -> bool:
        """Count a query; return whether it is time to save."""
        with self._lock:
            for target in plan.targets:
                uses = self._waiting.setdefault(target.intermediate, Uses())
                uses.queries += 1
                uses.columns.update(target.asked)
                self._queries += 1
            return self._queries >= QUERIES_UNTIL_SAVED or any(item.kept_after is not None for item in plan.targets)

    def of(self, intermediate: int) -> Uses:
        """Return how often an intermediate was asked for, what is not saved yet included."""
        with self._catalogue.read() as connection:
            found = uses_of(connection, [intermediate]).get(intermediate, Uses())
        with self._lock:
            if intermediate in self._waiting:
                found.add(self._waiting[intermediate])
        return found

    def save(self, also: Callable[[sa.Connection], None]) -> None:
        """Add what was counted to the catalogue.

        Parameters
        ----------
        also
            What is written in the same transaction.

        Raises
        ------
        CatalogueError
            If it cannot be written; it is then tried again the next time.
        """
        with self._lock:
            waiting, self._waiting, self._queries = self._waiting, {}, 0
        if not waiting:
            return
        try:
            with self._catalogue.write() as connection:
                hold_shared(connection)
                count_uses(connection, waiting)
                also(connection)
        except BaseException:
            with self._lock:
                for item, uses in waiting.items():
                    self._waiting.setdefault(item, Uses()).add(uses)
            raise
