"""Failures of single calls: of the storage, of the operating system, and of the database."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from mistique_core.store import mistique
from mistique_core.testing.faults import FaultyBackend

CHANGES = ("open", "write", "fsync", "link", "unlink", "mkdir", "rename", "replace")
"""Functions of the operating system that change what is on the disk."""
LOOKS = ("pread", "scandir")
"""Functions that read."""
STATEMENTS = ("do_execute", "do_executemany", "do_execute_no_params")


class Points:
    """Counts points and acts at the k-th.

    Parameters
    ----------
    at
        Number of the point, from 1; 0 for none.
    act
        What happens there: raises, or kills the process.

    Attributes
    ----------
    passed
        Names of the points so far.
    """

    def __init__(self, at: int, act: Callable[[], Any]) -> None:
        self._at = at
        self._act = act
        self.passed: list[str] = []

    @property
    def is_reached(self) -> bool:
        """Whether the k-th point was passed."""
        return 0 < self._at <= len(self.passed)

    @property
    def name(self) -> str:
        """Name of the k-th point."""
        return self.passed[self._at - 1]

    def __call__(self, name: str) -> None:
        """Pass a point."""
        self.passed.append(name)
        if len(self.passed) == self._at:
            self._act()


def _is_point(name: str, arguments: tuple[Any, ...], folder: Path) -> bool:
    """Return whether a call concerns files below a folder, and, if it opens one, may make it."""
    if isinstance(arguments[0], (str, Path)) and not Path(arguments[0]).is_relative_to(folder):
        return False
    return name != "open" or bool(arguments[1] & os.O_CREAT)


@contextmanager
def system_calls(
    points: Points, folder: Path, names: tuple[str, ...] = CHANGES, *, after: bool = False
) -> Iterator[None]:
    """Make every call of some functions of the operating system below a folder a point, before or after its effect."""

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if not _is_point(name, arguments, folder):
                return call(*arguments, **options)
            if not after:
                points(name)
            answer = call(*arguments, **options)
            if after:
                try:
                    points(name)
                except OSError:
                    if name == "open":
                        os.close(answer)
                    raise
            return answer

        return wrapped

    patches = [patch.object(os, name, wrap(name, getattr(os, name))) for name in names]
    for item in patches:
        item.start()
    try:
        yield
    finally:
        for item in patches:
            item.stop()


@contextmanager
def short_writes(points: Points) -> Iterator[None]:
    """Let the k-th write take only half of the bytes, and the next one find the disk full."""
    plain = os.write

    def write(descriptor: int, data: Any) -> int:
        if points.is_reached:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        points("write")
        return plain(descriptor, data[: len(data) // 2] if points.is_reached else data)

    with patch.object(os, "write", write):
        yield


@contextmanager
def statements(points: Points, *, every_table: bool = False) -> Iterator[None]:
    """Make every SQL statement a point, before it is executed.

    Of questions that are asked again only the first is one; `every_table` does not do so with making tables.
    """
    asked: set[str] = set()

    def point(_cursor: Any, statement: str, *_: Any) -> None:
        makes = statement.lstrip().startswith("CREATE") and not every_table
        kind = " ".join(statement.split()[:2]) if makes else statement
        if kind not in asked or not (makes or statement.startswith(("SELECT", "PRAGMA"))):
            asked.add(kind)
            points(statement)

    for name in STATEMENTS:
        sa.event.listen(sa.Engine, name, point)
    try:
        yield
    finally:
        for name in STATEMENTS:
            sa.event.remove(sa.Engine, name, point)


@contextmanager
def commits(points: Points, *, before: bool = True, after: bool = False) -> Iterator[None]:
    """Make every commit a point, before or after its effect, or both."""
    plain = DefaultDialect.do_commit

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        if before:
            points("before commit")
        plain(dialect, connection)
        if after:
            points("after commit")

    with patch.object(DefaultDialect, "do_commit", do_commit):
        yield


@contextmanager
def storage_calls(faulty: list[FaultyBackend], **options: Any) -> Iterator[None]:
    """Let stores that are opened keep their bytes in a backend that fails; append each to `faulty`."""
    plain = mistique.open_backend

    def open_backend(location: str) -> FaultyBackend:
        faulty.append(FaultyBackend(plain(location), **options))
        return faulty[-1]

    with patch.object(mistique, "open_backend", open_backend):
        yield


def system_error(number: int) -> Callable[[], None]:
    """Return what raises an error of the operating system."""

    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


def database_error(text: str) -> Callable[[], None]:
    """Return what raises an error of SQLite."""

    def act() -> None:
        raise sqlite3.OperationalError(text)

    return act
