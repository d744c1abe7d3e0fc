"""The slowest waves over a small map, as whole numbers, so that what they take of whole numbers is exact in float32."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

_MOST_CELLS = 256
_MOST_WAVES = 64
_AMPLITUDE = 16.0
_EXACT = 2.0**24
_ONE_THREAD = 1 << 18
_LEAST_PARTS, _MOST_PARTS = 2**9, 2**13


@dataclass(frozen=True)
class LowFrequencies:
    """Cosine waves over the cells of a map.

    Attributes
    ----------
    map_shape
        Shape of the map.
    cell
        Length of a cell along each axis, of which the length of each axis is a multiple.
    """

    map_shape: tuple[int, ...]
    cell: int

    @property
    def cell_values(self) -> int:
        """Values in a cell."""
        return int(self.cell ** len(self.map_shape))

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(size // self.cell for size in self.map_shape)

    @cached_property
    def waves(self) -> npt.NDArray[np.float32]:
        """Whole numbers, shape ``(waves, cells)``, float32: three quarters of all waves, at most 64, slowest first."""
        axes = [_cosines(size) for size in self.cells]
        whole = np.ones((1, 1))
        for axis in axes:
            whole = np.einsum("ax,by->abxy", whole, axis).reshape(len(whole) * len(axis), -1)
        squares = [sum(k * k for k in frequencies) for frequencies in itertools.product(*map(range, self.cells))]
        slowest = np.argsort(np.array(squares), kind="stable")[: min(_MOST_WAVES, len(whole) * 3 // 4)]
        found: npt.NDArray[np.float32] = np.rint(whole[slowest] * self._amplitude).astype(np.float32)
        return found

    @property
    def _amplitude(self) -> float:
        return _AMPLITUDE * math.sqrt(math.prod(self.cells))

    @property
    def scale(self) -> float:
        """By which products with the waves are divided, so that the waves of a map are nearly orthonormal."""
        return self._amplitude * math.sqrt(self.cell_values)

    @property
    def parts(self) -> int:
        """A power of two: whole numbers up to it, summed over cells and times waves, add up to less than 2**24.

        The numbers of a wave add up to at most 16 times the cells. Where it would be below 2**9, it is that.
        """
        most = _EXACT / (_AMPLITUDE * math.prod(self.cells) * self.cell_values)
        return int(2 ** math.floor(math.log2(min(max(most, _LEAST_PARTS), _MOST_PARTS))))

    def of(self, maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the products of maps with the waves, not scaled.

        Parameters
        ----------
        maps
            Shape ``(n, map_values)``, float32. Of whole numbers up to :attr:`parts` the products are exact.

        Returns
        -------
        ndarray
            Shape ``(n, waves)``, float32, or float64 where float32 would not be exact.
        """
        sums = self.sums(maps)
        if self.parts == _LEAST_PARTS:
            sums = sums.astype(np.float64)
        return products(sums, np.ascontiguousarray(self.waves.T, dtype=sums.dtype))

    def sums(self, maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the sums of the cells of maps, shape ``(n, cells)``; `maps` as for :meth:`of`."""
        if self.cell == 1:
            return maps
        found = maps.reshape(len(maps), *self.map_shape)
        for axis in range(1, found.ndim):
            places = [slice(None)] * found.ndim
            total = None
            for first in range(self.cell):
                places[axis] = slice(first, None, self.cell)
                total = found[tuple(places)] if total is None else total + found[tuple(places)]
            assert total is not None
            found = total
        return found.reshape(len(maps), -1)


def products(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the product of a long matrix and a small one, made of pieces that BLAS gives to one thread.

    Threads of its own would wait for each other beside those that encode, and take several times the processor time.
    """
    found = np.empty((len(left), right.shape[1]), left.dtype)
    rows = max(1, _ONE_THREAD // max(right.size, 1))
    for first in range(0, len(left), rows):
        np.matmul(left[first : first + rows], right, out=found[first : first + rows])
    return found


@lru_cache(maxsize=64)
def low_frequencies(map_shape: tuple[int, ...]) -> LowFrequencies | None:
    """Return the waves over a map, ``None`` where it cannot be cut into at most 256 equal cells, or has one value."""
    for cell in range(1, max(map_shape, default=0) + 1):
        if all(size % cell == 0 for size in map_shape) and math.prod(size // cell for size in map_shape) <= _MOST_CELLS:
            found = LowFrequencies(map_shape, cell)
            return found if math.prod(found.cells) > 1 else None
    return None


def _cosines(size: int) -> npt.NDArray[np.float64]:
    """Return the orthonormal cosines over an axis, shape ``(frequencies, size)``."""
    frequency, place = np.arange(size)[:, None], np.arange(size)[None]
    waves = np.cos(np.pi * (2 * place + 1) * frequency / (2 * size)) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return np.asarray(waves)
