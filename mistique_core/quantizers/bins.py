"""Which of a few hundred sorted bins each of many values falls into, without searching for each value.

The floating-point numbers are cut into at most 65,536 cells by the leading bits of their float32 pattern. Tables
say how many edges are below all of a cell, and which one or two lie in it; comparisons with these settle the rest.
Only values in cells with more edges are searched for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.native import kernels
from mistique_core.quantizers.tiles import TILE_VALUES

_CELL_BITS = 16
_SIGN = np.uint32(1 << 31)


class Bins:
    """Counts, for each value, the edges below it: bin ``i`` is ``(edges[i - 1], edges[i]]``.

    Parameters
    ----------
    edges
        Finite, strictly increasing, at most 255, float32 or float64. No negative zero.
    """

    def __init__(self, edges: npt.NDArray[Any]) -> None:
        self._edges = edges
        short = _short(edges)
        # Cells of all numbers, or, where all edges are positive, smaller ones from the first to the last edge.
        self._key: type[np.int32 | np.uint32] = np.uint32
        self._shift, self._base, cells = 32 - _CELL_BITS, 0, 1 << _CELL_BITS
        if edges.size and short[0] > 0:
            first, last = (int(bits) for bits in short.view(np.int32)[[0, -1]])
            self._key = np.int32
            self._shift = max(0, (last - first).bit_length() - _CELL_BITS + 1)
            self._base = first >> self._shift
            cells = (last >> self._shift) - self._base + 1
        starts = (np.arange(cells, dtype=np.uint64) + self._base << self._shift).astype(np.uint32)
        cell = (short.view(self._key) >> self._shift).astype(np.intp) - self._base
        inside = np.bincount(cell, minlength=cells)
        # The numbers of a cell rise from its start, those of a negative cell fall.
        order, start = _ordered(short), _ordered(starts.view(np.float32))
        rising, falling = (
            np.searchsorted(order, start, side="left"),
            np.searchsorted(order, start, side="right") - inside,
        )
        before = np.where(starts & _SIGN, falling, rising)
        self._before = before.astype(np.uint8)
        rank = np.arange(edges.size) - before[cell]
        self._firsts = _in_cells(edges, cell, rank == 0, cells)
        self._seconds = _in_cells(edges, cell, rank == 1, cells) if (inside > 1).any() else None
        self._crowded = inside > 2 if (inside > 2).any() else None

    def codes(self, values: npt.NDArray[Any], scratch: BinScratch) -> npt.NDArray[np.uint8]:
        """Return the bin of each value.

        Parameters
        ----------
        values
            At most ``TILE_VALUES`` numbers of the dtype of the edges, C-contiguous in the last axis; no NaN.
        scratch
            Memory to work in.

        Returns
        -------
        ndarray
            Shape of the values; part of `scratch`.
        """
        size, shape = values.size, values.shape
        if kernels is not None and values.dtype == np.float32 and values.flags.c_contiguous:
            found = scratch.codes[:size].reshape(shape)
            is_signed = self._key is np.int32
            tables = self._before, self._firsts, self._seconds, self._crowded, self._edges
            kernels.bin_codes(values, *tables, found, self._shift, self._base, is_signed)
            return found
        codes, above = scratch.codes[:size].reshape(shape), scratch.above[:size].reshape(shape)
        key = scratch.keys[:size].reshape(shape).view(self._key)
        cells = scratch.cells[:size].reshape(shape)
        np.right_shift(_short(values).view(self._key), self._shift, out=key)
        np.copyto(cells, key)
        if self._base:
            np.subtract(cells, self._base, out=cells)
        # A cell before the first or after the last one is taken as that one.
        np.take(self._before, cells, out=codes, mode="clip")
        for table in (self._firsts, self._seconds):
            if table is not None:
                edge = np.take(table, cells, out=scratch.edges[:size].reshape(shape), mode="clip")
                np.greater(values, edge, out=above)
                np.add(codes, above.view(np.uint8), out=codes)
        if self._crowded is not None:
            searched = np.take(self._crowded, cells, out=above, mode="clip")
            codes[searched] = np.searchsorted(self._edges, values[searched])
        return codes


class BinScratch:
    """Memory in which one call of an encoder works, for edges of one dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.keys = np.empty(TILE_VALUES, np.uint32)
        self.cells = np.empty(TILE_VALUES, np.intp)
        self.codes = np.empty(TILE_VALUES, np.uint8)
        self.edges = np.empty(TILE_VALUES, dtype)
        self.above = np.empty(TILE_VALUES, np.bool_)


def _short(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    # Rounding never changes the order of two numbers, and those that become equal share a cell.
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32, copy=False)


def _ordered(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """Return unsigned integers in the order of the numbers, negative zero before zero."""
    bits = values.view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _in_cells(
    edges: npt.NDArray[Any], cell: npt.NDArray[np.intp], chosen: npt.NDArray[np.bool_], cells: int
) -> npt.NDArray[Any]:
    """Return the chosen edge of each cell, infinity where there is none."""
    table = np.full(cells, np.inf, edges.dtype)
    table[cell[chosen]] = edges[chosen]
    return table
