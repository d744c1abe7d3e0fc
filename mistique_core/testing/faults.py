"""A storage backend whose k-th call fails, to find out what the caller makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage import Leftover, StorageBackend, StoredFile

T = TypeVar("T")


class FaultyBackend:
    """Passes every call on to another backend, except for one that fails.

    Listings count as one call, made when the listing is asked for. `close` is neither counted nor
    failed, so that a test can always clean up. Safe to use from several threads.

    Parameters
    ----------
    inner
        Backend that does the work.
    fail_at
        Number of the call that fails, counted from 1; ``None`` counts only.
    error
        What it raises; default a :class:`StorageError`. An instance of :class:`BaseException` that is
        no :class:`Exception`, such as ``KeyboardInterrupt()``, interrupts instead.
    when
        ``before``: the failing call has no effect. ``after``: it has its effect, and its answer is lost.
    keep_failing
        Whether every call after it fails too, as on a disk that is gone.

    Attributes
    ----------
    calls
        Names of the calls so far, in order, the failed ones included.
    failed
        Names of the calls that failed.

    Examples
    --------
    >>> for k in itertools.count(1):                                          # doctest: +SKIP
    ...     backend = FaultyBackend(LocalBackend(folder), fail_at=k)
    ...     outcome = work(backend)
    ...     if not backend.failed:
    ...         break
    """

    def __init__(
        self,
        inner: StorageBackend,
        *,
        fail_at: int | None = None,
        error: BaseException | None = None,
        when: Literal["before", "after"] = "before",
        keep_failing: bool = False,
    ) -> None:
        if fail_at is not None and fail_at < 1:
            raise InvalidInputError(f"fail_at={fail_at!r} is no number of a call; give a number from 1")
        if when not in ("before", "after"):
            raise InvalidInputError(f"when={when!r} is unknown; use 'before' or 'after'")
        self.inner = inner
        self.calls: list[str] = []
        self.failed: list[str] = []
        self._fail_at = fail_at
        self._error = error
        self._when = when
        self._keep_failing = keep_failing
        self._lock = threading.Lock()

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """See :meth:`StorageBackend.put_if_absent`."""
        return self._call("put_if_absent", lambda: self.inner.put_if_absent(name, data))

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """See :meth:`StorageBackend.get_range`."""
        return self._call("get_range", lambda: self.inner.get_range(name, offset, size))

    def get_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See :meth:`StorageBackend.get_ranges`."""
        return self._call("get_ranges", lambda: self.inner.get_ranges(name, ranges))

    def size(self, name: str) -> int:
        """See :meth:`StorageBackend.size`."""
        return self._call("size", lambda: self.inner.size(name))

    def names(self) -> Iterator[str]:
        """See :meth:`StorageBackend.names`."""
        return self._call("names", self.inner.names)

    def files(self) -> Iterator[StoredFile]:
        """See :meth:`StorageBackend.files`."""
        return self._call("files", self.inner.files)

    def delete(self, name: str) -> None:
        """See :meth:`StorageBackend.delete`."""
        self._call("delete", lambda: self.inner.delete(name))

    def put_text_if_absent(self, name: str, text: str) -> bool:
        """See :meth:`StorageBackend.put_text_if_absent`."""
        return self._call("put_text_if_absent", lambda: self.inner.put_text_if_absent(name, text))

    def get_text(self, name: str) -> str | None:
        """See :meth:`StorageBackend.get_text`."""
        return self._call("get_text", lambda: self.inner.get_text(name))

    def leftovers(self, older_than_seconds: float, *, remove: bool) -> list[Leftover]:
        """See :meth:`StorageBackend.leftovers`."""
        return self._call("leftovers", lambda: self.inner.leftovers(older_than_seconds, remove=remove))

    def clock_seconds(self) -> float:
        """See :meth:`StorageBackend.clock_seconds`."""
        return self._call("clock_seconds", self.inner.clock_seconds)

    def close(self) -> None:
        """See :meth:`StorageBackend.close`."""
        self.inner.close()

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        with self._lock:
            self.calls.append(name)
            number = len(self.calls)
            fails = self._fail_at is not None and (
                number == self._fail_at or (self._keep_failing and number > self._fail_at)
            )
            if fails:
                self.failed.append(name)
        if not fails:
            return effect()
        if self._when == "after":
            effect()
        raise self._error or StorageError(f"call {number} ({name}) of the backend failed as the test asked for")
