"""Lossless encodings of one chunk, each equal to an HDF5 filter pipeline.

============  =================================  ==========================
encoding      bytes                              HDF5 filters
============  =================================  ==========================
``raw``       the array                          none
``zstd``      Zstandard of the array             zstd (32015)
``shuffle``   Zstandard of its byte planes       shuffle (2), zstd (32015)
============  =================================  ==========================

The smallest of the three is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zstandard

from mistique_core.errors import CorruptPartitionError

Encoding = Literal["raw", "zstd", "shuffle"]
ENCODINGS: tuple[Encoding, ...] = ("raw", "zstd", "shuffle")


@dataclass(frozen=True)
class EncodedChunk:
    """One chunk, ready to be written.

    Attributes
    ----------
    address
        Its content address, 32 bytes.
    dtype
        NumPy dtype string of the array.
    shape
        Shape of the array.
    encoding
        How `payload` was made.
    payload
        The stored bytes.
    """

    address: bytes
    dtype: str
    shape: tuple[int, ...]
    encoding: Encoding
    payload: bytes

    @property
    def raw_bytes(self) -> int:
        """Bytes of the array before encoding."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


def encode_chunk(address: bytes, array: npt.NDArray[Any], level: int) -> EncodedChunk:
    """Encode a contiguous array with the smallest of the lossless encodings.

    Parameters
    ----------
    address
        The array's content address.
    array
        Little-endian array of any shape.
    level
        Zstandard level, 1 to 19.
    """
    raw = array.tobytes()
    compressor = zstandard.ZstdCompressor(level=level)
    best: tuple[Encoding, bytes] = ("raw", raw)
    if raw:
        packed = compressor.compress(raw)
        if len(packed) < len(best[1]):
            best = ("zstd", packed)
        if array.dtype.itemsize > 1:
            planes = np.frombuffer(raw, np.uint8).reshape(-1, array.dtype.itemsize).T.tobytes()
            shuffled = compressor.compress(planes)
            if len(shuffled) < len(best[1]):
                best = ("shuffle", shuffled)
    return EncodedChunk(address, array.dtype.str, array.shape, *best)


def _decompress(payload: bytes, expected: int) -> bytes:
    # A damaged header can promise any size, which would be allocated before a single byte is decoded.
    promised = zstandard.frame_content_size(payload)
    if promised != expected:
        raise CorruptPartitionError(
            f"a chunk promises {promised} bytes where {expected} were written; run 'mistique check'"
        )
    return zstandard.ZstdDecompressor().decompress(payload, max_output_size=expected)


def decode_chunk(payload: bytes, encoding: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the array (read-only, or freshly allocated) that :func:`encode_chunk` was given.

    Raises
    ------
    CorruptPartitionError
        If the bytes do not decode to an array of that dtype and shape.
    """
    itemsize = np.dtype(dtype).itemsize
    expected = itemsize * int(np.prod(shape, dtype=np.int64))
    try:
        raw = payload if encoding == "raw" else _decompress(payload, expected)
    except zstandard.ZstdError as error:
        raise CorruptPartitionError(f"a chunk does not decompress ({error}); run 'mistique check'") from error
    if len(raw) != expected:
        raise CorruptPartitionError(f"a chunk has {len(raw)} bytes where {expected} were written; run 'mistique check'")
    if encoding == "shuffle":
        raw = np.frombuffer(raw, np.uint8).reshape(itemsize, -1).T.tobytes()
    return np.frombuffer(raw, dtype=dtype).reshape(shape)
