"""What a partition file may claim of a chunk: nothing is allocated, and no formula applied, before it was looked at.

Addresses prove values only once they are decoded. Until then whoever can write into the store's place could promise
sizes that no memory holds, or pair codes with a type of values for which there is no formula.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.transform import PACKED_WHOLE, VALUE_DTYPES, Transform

MOST_CHUNK_BYTES = 1 << 32
"""Most bytes of a chunk's array; nothing larger is written either."""
MOST_PACKED_BYTES = 1 << 28
"""Most bytes of an array whose codes are packed into one page; larger ones are written in pages of their own codes."""
_MOST_EXPANSION = 32_768
"""Times which an array in pages may be longer than its file: what Zstandard can reach."""

_KINDS = {"decimal": "f", "offset": "iu"}
_VALUES_PER_BYTE = {"digits": 4, "sparse": 8}


def most_array_bytes(file_bytes: int) -> int:
    """Return the most bytes of an array that a file of so many bytes may claim."""
    return min(MOST_CHUNK_BYTES, max(MOST_PACKED_BYTES, _MOST_EXPANSION * file_bytes))


def check_array(dtype: str, shape: tuple[Any, ...], most_bytes: int) -> None:
    """Refuse an array that no chunk can be.

    Parameters
    ----------
    dtype, shape
        What a file says.
    most_bytes
        What :func:`most_array_bytes` says of it.

    Raises
    ------
    CorruptPartitionError
        If its type is none of those that chunks have, or a size is no number from 0, or it is too large.
    """
    if dtype not in VALUE_DTYPES:
        raise CorruptPartitionError(f"a chunk of {dtype!r:.40} is unknown; upgrade MISTIQUE, or run 'mistique check'")
    if not shape or not all(type(size) is int and size >= 0 for size in shape):
        raise CorruptPartitionError(f"a chunk has the shape {shape!r:.80}; run 'mistique check'")
    size = np.dtype(dtype).itemsize * math.prod(shape)
    if size > most_bytes:
        raise CorruptPartitionError(
            f"a chunk claims {size:,} bytes, and none of this file has more than {most_bytes:,}; run 'mistique check'"
        )


def check_codes(transform: Transform, dtype: str, shape: tuple[int, ...], stored: tuple[int, ...]) -> None:
    """Refuse codes that cannot become an array.

    Parameters
    ----------
    transform
        What they mean.
    dtype, shape
        Of the array, which :func:`check_array` has passed.
    stored
        Shape of the codes.

    Raises
    ------
    CorruptPartitionError
        If there is no formula for them.
    """
    itemsize = np.dtype(dtype).itemsize
    kind = transform.kind
    if kind in PACKED_WHOLE:
        expected: tuple[int, ...] = (-(-math.prod(shape) // _VALUES_PER_BYTE[kind]),)
    elif transform.bits == 8:
        expected = shape
    else:
        expected = (-(-shape[0] * transform.bits // 8),) if len(shape) == 1 else ()
    fits = np.dtype(dtype).kind in _KINDS.get(kind, "biuf")
    if kind == "plain":
        fits = np.dtype(transform.dtype).itemsize == itemsize
    elif kind == "digits":
        fits = itemsize == 1
    if not fits or stored != expected:
        raise CorruptPartitionError(
            f"codes {kind} {transform.dtype} {stored!r:.40} do not make {dtype} {shape!r:.40}; run 'mistique check'"
        )
