"""What was computed about stored columns, kept under their content addresses within a bound of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar


class Sized(Protocol):
    """Anything that knows its size."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        ...


Value = TypeVar("Value", bound=Sized)


class ByteCache:
    """Keeps values of at most `limit_bytes` together; the least recently used go first.

    Keys say everything that a value depends on, such as content addresses, so that nothing in it can be outdated. Safe
    to use from several threads: one value is computed at a time, and never twice by two threads.

    Parameters
    ----------
    limit_bytes
        A larger value is returned, but not kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._making = threading.RLock()

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made if it is not kept."""
        found = self.find(key)
        if found is None:
            with self._making:
                found = self.find(key)
                if found is None:
                    found = make()
                    self.put(key, found)
        return found  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def find(self, key: Hashable) -> Any:
        """Return the value of a key, or ``None`` if it is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, value: Sized) -> None:
        """Keep a value."""
        with self._lock:
            if value.nbytes > self.limit_bytes:
                return
            before = self._kept.pop(key, None)
            self._bytes += value.nbytes - (0 if before is None else before.nbytes)
            self._kept[key] = value
            while self._bytes > self.limit_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
