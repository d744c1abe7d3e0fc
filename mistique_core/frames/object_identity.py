"""Which Python objects an object array holds, told by their identity instead of their value.

Strings, ``None`` and floats never change, so an array that holds the very same objects as before holds
the same values, and of objects that occur many times one look is enough.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from xxhash import xxh3_128_digest

Array = npt.NDArray[Any]
Parts = dict[str, Array]
_SAMPLE = 1_024


def identities(objects: Array) -> npt.NDArray[np.intp]:
    """Return the addresses of an object array's items, intp (n,), which must not outlive the array."""
    contiguous = np.ascontiguousarray(objects)
    if not contiguous.size:
        return np.empty(0, np.intp)
    memory: Any = (ctypes.c_char * contiguous.nbytes).from_address(contiguous.ctypes.data)
    memory.owner = contiguous  # which may be a copy
    return np.frombuffer(memory, np.intp)


def repeated(objects: Array) -> tuple[Array, Array] | None:
    """Return the different objects in order of first occurrence, and for each item which one it is.

    ``None`` when they are too many for that to help (more than a quarter of the items).
    """
    places = identities(objects)
    sample = places[:: -(-len(places) // _SAMPLE)]
    if len(np.unique(sample)) * 2 > len(sample):
        return None
    codes, found = pd.factorize(places)
    if len(found) * 4 > len(places):
        return None
    first = np.empty(len(found), np.intp)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return objects[first], codes


class TextCache:
    """Remembers the encoded parts of object columns by the identity of their items.

    The items are kept alive as long as they are remembered, so that no other object takes their place
    in memory. Safe to use from several threads.

    Parameters
    ----------
    limit_bytes
        Most bytes of parts and references to keep; the least recently used are dropped first.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._entries: OrderedDict[bytes, tuple[Array, Parts, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def find(self, objects: Array) -> tuple[bytes, Parts | None]:
        """Return the key of an object array, and its parts if it was encoded before."""
        key = xxh3_128_digest(identities(objects).data.cast("B")) + len(objects).to_bytes(8, "little")
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return key, None
            self._entries.move_to_end(key)
            return key, found[1]

    def keep(self, key: bytes, objects: Array, parts: Parts) -> None:
        """Remember the parts of an array of strings and missing values under the key that :meth:`find` gave."""
        size = objects.nbytes + sum(part.nbytes for part in parts.values())
        if size > self._limit:
            return
        with self._lock:
            if key not in self._entries:
                self._entries[key] = (objects.copy(), parts, size)
                self._bytes += size
            while self._bytes > self._limit:
                _, (_, _, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped
