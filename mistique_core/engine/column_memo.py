"""Column versions of arrays that one process logs again and again, where they lie unchanged in memory.

pandas hands a column that a stage does not touch to the next frame in the same memory. Its chunks need not be
hashed again if nothing was written there since, which a fast checksum of 128 bits (XXH3) of the whole column tells
at many times the speed of BLAKE3. No array is kept alive.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.dedup import memory_checksum

Array = npt.NDArray[Any]
_LEAST_BYTES = 16_384
_Place = tuple[Any, ...]


class ColumnMemo:
    """Column versions by the place of their arrays in memory and their checksums; safe to use from several threads.

    Parameters
    ----------
    most
        Most columns to remember; the least recently used are forgotten first. 0 remembers nothing.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[_Place, tuple[tuple[bytes, ...], NewColumn]] = OrderedDict()
        self._lock = threading.Lock()

    def version(self, facts: tuple[Any, ...], parts: Mapping[str, Array], make: Callable[[], NewColumn]) -> NewColumn:
        """Return the version of a column: what `make` returns, or what it returned for the very same column.

        Parameters
        ----------
        facts
            Whatever the version depends on beside the values of its parts.
        parts
            Part name -> contiguous array.
        make
            Hashes the parts.
        """
        arrays = list(parts.values())
        if not self._most or sum(array.nbytes for array in arrays) < _LEAST_BYTES:
            return make()
        places = tuple((array.__array_interface__["data"][0], array.dtype.str, array.shape) for array in arrays)
        place = (facts, tuple(parts), places)
        checksums = tuple(memory_checksum(array) for array in arrays)
        with self._lock:
            seen = self._seen.get(place)
        version = seen[1] if seen is not None and seen[0] == checksums else make()
        with self._lock:
            self._seen[place] = (checksums, version)
            self._seen.move_to_end(place)
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)
        return version
