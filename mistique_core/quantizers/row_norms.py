"""How far decoding moves a whole row: the Euclidean norm of the errors of its values, never too small."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.native import kernels
from mistique_core.quantizers.upper_half import ends_of, upper_half
from mistique_core.quantizers.value_layout import ValueLayout

LEAST_VALUES = 128
"""Of narrower rows the two bytes of a norm would be a fair share of the codes."""


class RowNorms:
    """Adds up the squared errors of the rows of one block, unit after unit: the same sums in any memory layout.

    Parameters
    ----------
    layout
        Layout of the values.
    rows
        Rows of the block.
    dtype
        float32 or float64, in which errors are handed over.
    """

    def __init__(self, layout: ValueLayout, rows: int, dtype: np.dtype[Any]) -> None:
        self._layout = layout
        self._rows = rows
        self._sums = np.zeros(rows * layout.map_values, dtype)
        self._further = np.zeros(rows)

    @classmethod
    def of(cls, layout: ValueLayout, rows: int, dtype: np.dtype[Any]) -> RowNorms | None:
        """Return sums for one block, or ``None`` where rows are too narrow for norms."""
        return cls(layout, rows, dtype) if layout.units * layout.map_values >= LEAST_VALUES and rows else None

    def add(self, positions: slice, errors: npt.NDArray[Any]) -> None:
        """Add the errors of some units.

        Parameters
        ----------
        positions
            Where they lie among the rows and maps, end to end.
        errors
            Shape ``(units, positions)``, finite or infinite; overwritten.
        """
        with np.errstate(over="ignore", under="ignore"):
            np.square(errors, out=errors)
            sums = self._sums[positions]
            if len(errors) == 1:
                sums += errors[0]
                return
            errors[0] += sums
            if errors.shape[1] == 1:  # of one axis NumPy would add pairs
                sums[...] = np.add.accumulate(errors, axis=0)[-1]
            else:
                np.add.reduce(errors, axis=0, out=sums)

    def add_coded(
        self,
        positions: slice,
        values: npt.NDArray[np.float32],
        codes: npt.NDArray[np.uint8],
        levels: npt.NDArray[np.float32],
        skipped: npt.NDArray[np.uint8],
    ) -> bool:
        """Do what :meth:`add` does with the errors of coded values, where compiled code can; return whether it did.

        Parameters
        ----------
        positions
            As there.
        values, codes
            Shape ``(units, positions)``.
        levels, skipped
            Of each of 256 codes: its level, and whether its values count nothing.
        """
        sums = self._sums[positions]
        arrays = values, codes, levels, sums
        if kernels is None or any(array.dtype != np.float32 for array in (values, levels, sums)):
            return False
        if not all(array.flags.c_contiguous for array in arrays):
            return False
        kernels.add_errors(values, codes, levels, skipped, sums)
        return True

    def add_rows(self, squares: npt.NDArray[np.float64]) -> None:
        """Add squared errors, one sum a row."""
        self._further += squares

    def radius(self) -> npt.NDArray[Any]:
        """Return the norms as upper halves of float32 numbers; no norm exceeds the largest number of its half."""
        dtype = np.finfo(self._sums.dtype)
        values = self._layout.units * self._layout.map_values
        with np.errstate(over="ignore", under="ignore"):
            sums = self._sums.reshape(self._rows, -1).sum(axis=1, dtype=np.float64) + self._further
            # Each square and each sum is rounded once, and squares may be too small for the dtype.
            sums = sums * (1.0 + (self._layout.units + 8) * float(dtype.eps)) + values * float(dtype.smallest_subnormal)
            norms = np.nextafter(np.sqrt(sums).astype(np.float32), np.float32(np.inf))
        return upper_half(norms)


def largest_norms(halves: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the norms that :meth:`RowNorms.radius` stored, float64, none smaller than the true one."""
    return ends_of(halves, np.dtype(np.float32))[1].astype(np.float64)


def least_norms(halves: npt.NDArray[Any], layout: ValueLayout) -> npt.NDArray[np.float64]:
    """Return norms of rows of a layout like :func:`largest_norms`, none larger than the true one."""
    dtype = np.finfo(np.float64 if layout.dtype == np.float64 else np.float32)
    low = ends_of(halves, np.dtype(np.float32))[0].astype(np.float64)
    # Undone are the roundings up of the sums, and of the root, and what the sums themselves may be off.
    relative = 2.0 * (layout.units + 8) * float(dtype.eps) + 2.0**-20
    absolute = np.sqrt(2.0 * layout.units * layout.map_values * float(dtype.smallest_subnormal)) + 2.0**-149
    finite = np.where(np.isfinite(low), low, 0.0)
    return np.asarray(np.maximum(finite * max(1.0 - relative, 0.0) - absolute, 0.0))
