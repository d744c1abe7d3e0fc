"""Shape and dtype of the values of a group of units, without the number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError

DTYPES = {name: np.dtype(name) for name in ("float16", "float32", "float64")}


@dataclass(frozen=True)
class ValueLayout:
    """Number of units, shape of one value, and dtype.

    Attributes
    ----------
    units
        Number of units (columns, channels) of the group; may be 0.
    map_shape
        Shape of one value of one unit; ``()`` for plain numbers.
    dtype
        float16, float32 or float64.
    """

    units: int
    map_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, values: npt.NDArray[Any], scheme: str) -> ValueLayout:
        """Return the layout of an array of shape ``(units, rows, *map_shape)``.

        Parameters
        ----------
        values
            The array.
        scheme
            Text of the scheme, for the error message.

        Raises
        ------
        InvalidInputError
            If the array is none, has fewer than two axes, or holds anything but floating-point numbers.
        """
        if not isinstance(values, np.ndarray):
            raise InvalidInputError(f"{scheme} was given a {type(values).__name__}; give a NumPy array")
        if values.dtype.name not in DTYPES:
            raise InvalidInputError(
                f"{scheme} stores float16, float32 and float64, not {values.dtype}; store these values with 'lossless'"
            )
        if values.ndim < 2:
            raise InvalidInputError(
                f"{scheme} was given an array of shape {values.shape}; give (units, rows, *map_shape), "
                "for one column values[None, :]"
            )
        return cls(values.shape[0], values.shape[2:], DTYPES[values.dtype.name])

    def check(self, values: npt.NDArray[Any], scheme: str) -> npt.NDArray[Any]:
        """Return a block of this layout in the machine's byte order.

        Raises
        ------
        InvalidInputError
            If the block has another layout.
        """
        found = ValueLayout.of(values, scheme)
        if found != self:
            raise InvalidInputError(
                f"{scheme} was fitted to {self}, not to {found}; fit it to a sample of these values"
            )
        return values.astype(self.dtype, copy=False)

    def shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape of a block of `rows` rows."""
        return (self.units, rows, *self.map_shape)

    @property
    def map_values(self) -> int:
        """Numbers in one value of one unit."""
        return math.prod(self.map_shape)

    def document(self) -> dict[str, Any]:
        """Return the layout as a JSON document."""
        return {"units": self.units, "map_shape": list(self.map_shape), "dtype": self.dtype.name}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ValueLayout:
        """Return the layout that :meth:`document` described.

        Raises
        ------
        CorruptPartitionError
            If the document describes none.
        """
        units, map_shape, dtype = (document.get(name) for name in ("units", "map_shape", "dtype"))
        if not isinstance(map_shape, (list, tuple)) or not all(_is_size(size) for size in (units, *map_shape)):
            raise CorruptPartitionError(f"units={units!r}, map_shape={map_shape!r} are no sizes; run 'mistique check'")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise CorruptPartitionError(f"dtype {dtype!r} of a quantizer is unknown; run 'mistique check'")
        return cls(int(units or 0), tuple(map_shape), DTYPES[dtype])

    def __str__(self) -> str:
        maps = f" of maps {self.map_shape}" if self.map_shape else ""
        return f"{self.units} unit{'' if self.units == 1 else 's'}{maps}, {self.dtype.name}"


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
