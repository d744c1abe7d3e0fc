"""Checks of what was read back from a store: documents, tables and parts are never trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError


def part(
    parts: Mapping[str, npt.NDArray[Any]], name: str, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None
) -> npt.NDArray[Any]:
    """Return one part of an encoded block, C-contiguous.

    Parameters
    ----------
    parts
        The block.
    name
        Name of the part.
    dtype
        Its dtype.
    shape
        Shape to return; the part may have been flattened. ``None`` for one axis of any length.

    Raises
    ------
    CorruptPartitionError
        If the part is missing, or has another dtype or size.
    """
    return _checked("part", parts, name, dtype, shape)


def table(
    tables: Mapping[str, npt.NDArray[Any]], name: str, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None
) -> npt.NDArray[Any]:
    """Return a copy of one table of a fitted quantizer, read-only; otherwise as :func:`part`."""
    return frozen(_checked("table", tables, name, dtype, shape))


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a C-contiguous copy that cannot be changed."""
    copied = np.array(array, order="C")
    copied.flags.writeable = False
    return copied


def _checked(
    what: str, arrays: Mapping[str, npt.NDArray[Any]], name: str, dtype: np.dtype[Any], shape: tuple[int, ...] | None
) -> npt.NDArray[Any]:
    found = arrays.get(name)
    if not isinstance(found, np.ndarray):
        raise CorruptPartitionError(f"{what} {name!r} of a quantized block is missing; run 'mistique check'")
    if found.dtype != dtype:
        raise CorruptPartitionError(f"{what} {name!r} has dtype {found.dtype}, not {dtype}; run 'mistique check'")
    if shape is None:
        return np.ascontiguousarray(found).reshape(-1)
    if found.size != math.prod(shape):
        raise CorruptPartitionError(
            f"{what} {name!r} has {found.size} values where {math.prod(shape)} belong; run 'mistique check'"
        )
    return np.ascontiguousarray(found).reshape(shape)
