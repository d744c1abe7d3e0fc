"""Bytes that are left when files are cut into content-defined chunks and every chunk is kept once.

The cut is FastCDC's: a gear hash rolls over the bytes and a chunk ends where its top bits are zero, so
that a cut moves with the content around it. A chunk has 64 KiB on average, at least 8 and at most 128.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from blake3 import blake3

LEAST_BYTES, AVERAGE_BYTES, MOST_BYTES = 8 * 1024, 64 * 1024, 128 * 1024
WINDOW_BYTES = 32
_GEAR = np.random.default_rng(20_180_901).integers(0, 1 << 32, 256, dtype=np.uint32)
_MASK = np.uint32((AVERAGE_BYTES - 1) << 16)
_SLICE_BYTES = 4 * 1024 * 1024


@dataclass
class BlockStore:
    """Counts the bytes of different chunks.

    Attributes
    ----------
    unique_bytes, total_bytes
        Bytes of all different chunks, and of everything that was added.
    """

    unique_bytes: int = 0
    total_bytes: int = 0
    _known: set[bytes] = field(default_factory=set)

    def add(self, data: bytes) -> int:
        """Add a file and return how many of its bytes were new."""
        before = self.unique_bytes
        view = memoryview(data)
        for start, stop in cuts(data):
            address = blake3(view[start:stop]).digest()
            if address not in self._known:
                self._known.add(address)
                self.unique_bytes += stop - start
        self.total_bytes += len(data)
        return self.unique_bytes - before


def cuts(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start (inclusive) and stop (exclusive) of each chunk, end to end over all of `data`."""
    ends = _possible_ends(np.frombuffer(data, dtype=np.uint8))
    start, size = 0, len(data)
    while start < size:
        place = bisect_left(ends, start + LEAST_BYTES)
        stop = ends[place] if place < len(ends) else size
        stop = min(stop, start + MOST_BYTES, size)
        yield start, stop
        start = stop


def _possible_ends(data: npt.NDArray[np.uint8]) -> list[int]:
    """Return the positions behind each window whose hash has zeros where the mask has ones."""
    found = []
    for first in range(0, len(data), _SLICE_BYTES):
        begin = max(first - WINDOW_BYTES + 1, 0)
        hashes = _window_hashes(data[begin : first + _SLICE_BYTES])
        places = np.flatnonzero((hashes & _MASK) == 0) + begin + 1
        found.append(places[places > max(first, WINDOW_BYTES - 1)])
    return np.concatenate(found).tolist() if found else []


def _window_hashes(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Return the gear hash of the 32 bytes that end at each position, by doubling the window five times."""
    hashes = _GEAR[data]
    width = 1
    while width < WINDOW_BYTES:
        shifted = hashes[:-width] << np.uint32(width)
        hashes = hashes.copy()
        hashes[width:] += shifted
        width *= 2
    return hashes
