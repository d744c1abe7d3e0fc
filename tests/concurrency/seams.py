"""Every seam of an operation where another process may come between, one at a time and on purpose."""

import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from mistique_core import Mistique

CALLS = ("put_if_absent", "get_range", "get_ranges", "size", "names", "files", "delete", "leftovers")
IMMEDIATE = "mistique_immediate"
BLOCKED_SECONDS = 0.05
STUCK_SECONDS = 60.0


class Seams:
    """Runs something else at the k-th seam of what a store does.

    Seams are the begin of every transaction, and the moment before every call of the storage; with
    `statements` also that before every SQL statement and commit. At a seam where the store holds no
    write transaction, the other one runs to its end. Else it may have to wait for that transaction, so
    that it is only started.

    Parameters
    ----------
    store
        The store whose seams they are.
    at
        Number of the seam, from 1.
    action
        What runs there, once, in a thread of its own.
    statements
        Whether SQL statements and commits count.
    """

    def __init__(self, store: Mistique, at: int, action: Callable[[], Any], *, statements: bool = False) -> None:
        self._at = at
        self._action = action
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._statements = statements
        self._in_write = self._is_calling = False
        self._owner = threading.get_ident()
        self.passed: list[str] = []
        engine = store.catalogue.engine
        sa.event.listen(engine, "engine_connect", self._before_begin)
        sa.event.listen(engine, "begin", self._after_begin)
        for ending in ("commit", "rollback"):
            sa.event.listen(engine, ending, self._at_end)
        if statements:
            sa.event.listen(engine, "before_cursor_execute", lambda *_: self._seam("statement"))
        for name in CALLS:
            setattr(store.backend, name, self._around(name, getattr(store.backend, name)))

    @property
    def is_reached(self) -> bool:
        """Whether there was a k-th seam."""
        return self._thread is not None

    def finish(self) -> None:
        """Wait for the other one; raise what it raised."""
        assert self._thread is not None
        self._thread.join(STUCK_SECONDS)
        assert not self._thread.is_alive(), f"stuck since seam {self._at} ({self.passed[self._at - 1]})"
        if self._error is not None:
            raise AssertionError(f"the other one failed at seam {self._at} of {self.passed}") from self._error

    def _before_begin(self, _connection: sa.Connection) -> None:
        self._seam("begin")

    def _after_begin(self, connection: sa.Connection) -> None:
        self._in_write = bool(connection.get_execution_options().get(IMMEDIATE))

    def _at_end(self, _connection: sa.Connection) -> None:
        if self._statements:
            self._seam("end")
        self._in_write = False

    def _around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any, **options: Any) -> Any:
            if self._is_calling:
                return call(*args, **options)
            self._seam(name)
            self._is_calling = True
            try:
                return call(*args, **options)
            finally:
                self._is_calling = False

        return around

    def _seam(self, name: str) -> None:
        if threading.get_ident() != self._owner:
            return
        self.passed.append(name)
        if len(self.passed) != self._at:
            return
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._thread.join(BLOCKED_SECONDS if self._in_write else STUCK_SECONDS)

    def _run(self) -> None:
        try:
            self._action()
        except BaseException as error:
            self._error = error
