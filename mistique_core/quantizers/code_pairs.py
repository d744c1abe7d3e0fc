"""Looks up one value for each code of a byte, two codes at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.quantizers.tiles import TILE_VALUES

CODES = 256
_PAIRS = CODES * CODES
_PAIR_DTYPES: dict[int, np.dtype[Any]] = {2: np.dtype(np.uint32), 4: np.dtype(np.uint64), 8: np.dtype(np.complex128)}


class CodePairs:
    """The value of each of 256 codes.

    Two neighbouring codes read as one 16-bit number select two neighbouring values at once, from a table of
    65,536 pairs (0.5 MB for float32) that is made for the first long block.

    Parameters
    ----------
    levels
        Shape ``(256,)``; float16, float32 or float64.
    """

    def __init__(self, levels: npt.NDArray[Any]) -> None:
        self._levels = levels

    @cached_property
    def _pairs(self) -> npt.NDArray[Any]:
        codes = np.arange(_PAIRS, dtype=np.uint16).view(np.uint8)
        pairs: npt.NDArray[Any] = self._levels[codes].view(_PAIR_DTYPES[self._levels.itemsize])
        return pairs

    def look_up(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return the values of codes.

        Parameters
        ----------
        codes
            C-contiguous, any shape.

        Returns
        -------
        ndarray
            Shape of `codes`, dtype of the levels.
        """
        flat = codes.reshape(-1)
        values = np.empty(flat.size, self._levels.dtype)
        if flat.size < 2 * _PAIRS:
            np.take(self._levels, flat, out=values, mode="clip")
            return values.reshape(codes.shape)
        even = flat.size // 2 * 2
        double_codes = flat[:even].view(np.uint16)
        double_values = values[:even].view(self._pairs.dtype)
        cells = np.empty(TILE_VALUES, np.intp)
        for first in range(0, double_codes.size, TILE_VALUES):
            found = double_codes[first : first + TILE_VALUES]
            cell = cells[: found.size]
            np.copyto(cell, found)
            np.take(self._pairs, cell, out=double_values[first : first + TILE_VALUES], mode="clip")
        values[even:] = self._levels[flat[even:]]
        return values.reshape(codes.shape)
