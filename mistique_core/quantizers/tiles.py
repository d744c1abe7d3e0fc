"""Walks over a block in pieces that stay in the processor's cache, whatever the block's memory layout."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

TILE_VALUES = 1 << 16
_SIDE_BY_SIDE_VALUES = 1 << 15
_SIDE_BY_SIDE_UNITS = 64

Tile = tuple[slice, slice, npt.NDArray[Any]]


def by_unit(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``(units, rows, *map_shape)`` as ``(units, positions)``, as a view where the memory layout allows it."""
    positions = math.prod(values.shape[1:])
    if not _is_regular(values):
        values = np.ascontiguousarray(values)
    return values.reshape(values.shape[0], positions)


def _is_regular(values: npt.NDArray[Any]) -> bool:
    """Whether all axes but the first can be walked as one."""
    axes = [(size, stride) for size, stride in zip(values.shape[1:], values.strides[1:], strict=True) if size != 1]
    return all(outer[1] == inner[0] * inner[1] for outer, inner in itertools.pairwise(axes))


def tiles(values: npt.NDArray[Any], tile_values: int = TILE_VALUES) -> Iterator[Tile]:
    """Yield the pieces of an array of shape ``(units, positions)``.

    Parameters
    ----------
    values
        The array, in any memory layout.
    tile_values
        Most values in a piece, a multiple of 8.

    Yields
    ------
    units, positions
        Where the piece lies. It starts at a multiple of eight positions. The pieces of a C-contiguous array
        come in C order, and each is one run of it.
    tile
        Its values, C-contiguous in the last axis; valid until the next piece is asked for.
    """
    units, positions = values.shape
    if not values.size:
        return
    side_by_side = units > 1 and abs(values.strides[0]) < abs(values.strides[1])
    if side_by_side:
        tile_values = min(tile_values, _SIDE_BY_SIDE_VALUES)
        high = min(units, _SIDE_BY_SIDE_UNITS)
    else:
        high = min(units, max(1, tile_values // positions))
    wide = positions if high * positions <= tile_values else max(8, tile_values // high // 8 * 8)
    copied = positions > 1 and values.strides[1] != values.itemsize
    scratch = np.empty((2, high * wide if copied else 0), values.dtype)
    for first_unit in range(0, units, high):
        for first in range(0, positions, wide):
            tile = values[first_unit : first_unit + high, first : first + wide]
            places = slice(first_unit, first_unit + tile.shape[0]), slice(first, first + tile.shape[1])
            if copied:
                # By way of a compact copy: rows at a distance of a power of two bytes evict one another.
                gathered = scratch[0, : tile.size].reshape(tile.shape[::-1])
                np.copyto(gathered, tile.T)
                tile = scratch[1, : tile.size].reshape(tile.shape)
                np.copyto(tile, gathered.T)
            yield *places, tile
