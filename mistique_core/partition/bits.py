"""Codes below 2, 4 or 16 in one, two or four bits each, the lowest bits first.

Zstandard's entropy coder spends at least one bit on each byte; flags and few categories need less. Packed,
such chunks take 20 to 40 % fewer bytes, and are compressed several times as fast
(``docs/partition_format.md``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

WIDTHS = (1, 2, 4, 8)


def _unpacked(bits: int) -> Array:
    """Return for each byte its codes, as one unsigned integer."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = (np.arange(256, dtype=np.uint8)[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    return np.ascontiguousarray(codes).view(f"<u{len(shifts)}").reshape(-1)


_UNPACKED = {bits: _unpacked(bits) for bits in (1, 2, 4)}


def code_bits(codes: Array) -> int:
    """Return how many bits each of some codes needs: 1, 2 or 4, or 8 where they are no such bytes in one dimension."""
    if codes.ndim != 1 or codes.dtype != np.uint8:
        return 8
    top = int(codes.max(initial=0))
    return next(bits for bits in WIDTHS if top < 1 << bits)


def pack_bits(codes: Bytes, bits: int) -> Bytes:
    """Return codes packed, the last byte filled up with zeros.

    Parameters
    ----------
    codes
        Shape ``(n,)``, each below ``2 ** bits``.
    bits
        1, 2 or 4.
    """
    per_byte = 8 // bits
    if codes.size % per_byte:
        codes = np.concatenate([codes, np.zeros(-codes.size % per_byte, np.uint8)])
    words = codes.view(f"<u{per_byte}").copy()
    step = 1
    while step < per_byte:
        words |= words >> ((8 - bits) * step)
        step *= 2
    return words.astype(np.uint8)


def unpack_bits(packed: Bytes, bits: int) -> Bytes:
    """Return the codes that :func:`pack_bits` was given, and the filling."""
    return _UNPACKED[bits].take(packed).view(np.uint8)
