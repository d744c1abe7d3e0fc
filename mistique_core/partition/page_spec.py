"""How a chunk's codes become values, packed for the compiled reader of pages."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from mistique_core.partition.encoding import PAGES, Codec
from mistique_core.partition.transform import table_dtype

_KINDS = {"plain": 0, "offset": 1, "decimal": 2, "dictionary": 3}
_LAYOUT = struct.Struct("=7q2Q2d")
_NO_EXCEPTIONS = -1
_NUMBERS = 1 << 64
_MOST_ITEMS = 1 << 24


def page_spec(encoding: str, codec: Codec | None, dtype: str, shape: Sequence[int]) -> bytes | None:
    """Return the packed description; ``None`` where only NumPy undoes the codes.

    Parameters
    ----------
    encoding, codec, dtype, shape
        As recorded with a chunk. Of a difference, the description is that of its words.

    Returns
    -------
    bytes or None
        What ``_pages.c`` calls a ``Spec``, then the bit patterns of exceptions (uint64). ``None`` for chunks of format
        version 1, digits, zeros, float16 from decimals, and what contradicts itself.
    """
    if encoding != PAGES or codec is None or not shape:
        return None
    item = codec.transform
    kind: str = item.kind
    if kind == "delta":
        kind, dtype = "dictionary" if codec.table_items else "plain", table_dtype(item, dtype)
    size, width = np.dtype(dtype).itemsize, np.dtype(item.dtype).itemsize
    if kind not in _KINDS or (kind == "plain" and size != width):
        return None
    if kind == "decimal" and dtype not in ("<f4", "<f8"):
        return None
    if (kind == "dictionary") != (codec.table_items > 0):
        return None
    exceptions = item.exceptions if item.top is not None else ()
    count = _NO_EXCEPTIONS if item.top is None else len(exceptions)
    step = codec.rows * math.prod(shape[1:])
    if max(step, codec.table_items) > _MOST_ITEMS or max(exceptions, default=0) >= _NUMBERS:
        return None
    base = item.base % (1 << (8 * size)) if kind == "offset" else 0
    first, scale = (float(item.base), float(item.scale)) if kind == "decimal" else (0.0, 1.0)
    packed = _LAYOUT.pack(
        _KINDS[kind], item.bits, width, step, size, codec.table_items, count, base, item.top or 0, first, scale
    )
    return packed + struct.pack(f"={len(exceptions)}Q", *exceptions)
