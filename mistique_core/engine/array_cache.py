"""A cache of arrays with a limit in bytes; the least recently used one is dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class ArrayCache:
    """Keeps arrays by content address; safe to use from several threads.

    Parameters
    ----------
    limit_bytes
        Most bytes to keep; 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._arrays: OrderedDict[bytes, Array] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, address: bytes) -> Array | None:
        """Return the array of that address, if it is kept."""
        with self._lock:
            found = self._arrays.get(address)
            if found is not None:
                self._arrays.move_to_end(address)
            return found

    def put(self, address: bytes, array: Array) -> None:
        """Keep an array, dropping others; one larger than the limit is not kept."""
        if array.nbytes > self._limit:
            return
        with self._lock:
            if address not in self._arrays:
                self._arrays[address] = array
                self._bytes += array.nbytes
            while self._bytes > self._limit:
                _, dropped = self._arrays.popitem(last=False)
                self._bytes -= dropped.nbytes
