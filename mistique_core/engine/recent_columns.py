"""Columns that the stages of one process have just written or read, kept for the next stage (thesis 5.3).

What a stage hands on lies in memory when the next one begins, so that reading and decoding it again can be spared.
A column is kept as pandas holds it; whether anybody has written into that memory since is told by a checksum of 128
bits (XXH3), and if so it is read from the store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.dedup import memory_checksum

_KINDS = "biufmM"
_COPIES_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3
"""Whether pandas copies what a column shares with others before it writes into it."""


class RecentColumns:
    """Columns by the content address of their version; safe to use from several threads.

    Parameters
    ----------
    limit_bytes
        Most bytes of values; the least recently used go first. 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[bytes, tuple[pd.Series[Any], bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, address: bytes, column: pd.Series[Any]) -> None:
        """Keep a column of plain numbers, booleans or times; any other is left to the store."""
        values = _plain(column)
        if values is None or not self._limit or values.nbytes > self._limit:
            return
        kept = column.copy(deep=False), memory_checksum(values)
        with self._lock:
            if address in self._kept:
                self._kept.move_to_end(address)
                return
            self._kept[address] = kept
            self._bytes += values.nbytes
            while self._bytes > self._limit:
                self._forget(next(iter(self._kept)))

    def get(self, address: bytes) -> pd.Series[Any] | None:
        """Return a column, in the order of its rows in the store, or ``None`` where it is not kept unchanged."""
        with self._lock:
            kept = self._kept.get(address)
            if kept is None:
                return None
            self._kept.move_to_end(address)
        column, checksum = kept
        values = _plain(column)
        if values is not None and memory_checksum(values) == checksum:
            return column.copy(deep=not _COPIES_ON_WRITE)
        with self._lock:
            if self._kept.get(address) is kept:
                self._forget(address)
        return None

    def _forget(self, address: bytes) -> None:
        self._bytes -= self._kept.pop(address)[0].nbytes


def _plain(column: pd.Series[Any]) -> Any:
    """Return the values as a contiguous array that is the column's own memory, or ``None``."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind not in _KINDS or not len(column):
        return None
    values = column.to_numpy(copy=False)
    return values if values.flags.c_contiguous else None
