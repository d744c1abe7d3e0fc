"""Lossy compressors that BOUNDED is compared with, each through its public filter, its error checked.

A codec gets a layer as ``(units, rows, height, width)`` or ``(units, rows)`` float32, every unit divided by its
standard deviation, so that one absolute bound means the same for all units, as it does for BOUNDED.
"""

from __future__ import annotations

import io
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import blosc2
import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

_CHUNK_VALUES = 1 << 20


@dataclass(frozen=True)
class RoundTrip:
    """One layer, encoded and decoded.

    Attributes
    ----------
    stored_bytes
        Bytes of the encoded form.
    values
        Decoded, in the shape that was handed over (POOL: with smaller maps).
    encode_seconds, decode_seconds
        Wall time of each direction.
    error_over_bound
        Largest error relative to what was asked for or promised: above 1 the bound is broken. NaN where there is
        none.
    """

    stored_bytes: int
    values: NDArray[Any]
    encode_seconds: float
    decode_seconds: float
    error_over_bound: float


class LossyCodec(ABC):
    """One compressor at one setting.

    Attributes
    ----------
    family
        Name of its curve in the plot.
    setting
        What distinguishes its points.
    """

    family: str
    setting: str

    @abstractmethod
    def round_trip(self, values: NDArray[np.float32]) -> RoundTrip:
        """Encode and decode a layer of values in standard deviations."""


def step_of(row_values: int) -> float:
    """Return the step, in standard deviations, that keeps KNN overlap near .97 in a layer of `row_values` a row."""
    return round(min(0.65, row_values**0.4 / 90), 3)


class _Hdf5Filter(LossyCodec):
    """A filter with an absolute error bound of half of `scale` of the layer's step."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.setting = f"x{scale:g}"

    def _bound(self, values: NDArray[np.float32]) -> float:
        return 0.5 * self.scale * step_of(values.size // values.shape[1])

    def _filter(self, bound: float) -> Any:
        raise NotImplementedError

    def _arrange(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values

    def round_trip(self, values: NDArray[np.float32]) -> RoundTrip:
        array = self._arrange(values)
        buffer = io.BytesIO()
        start = time.perf_counter()
        with h5py.File(buffer, "w") as file:
            chunks = _chunk_shape(array.shape)
            file.create_dataset("values", data=array, chunks=chunks, **self._filter(self._bound(values)))
        written = time.perf_counter()
        with h5py.File(buffer, "r") as file:
            data = file["values"]
            decoded = data[()]
            stored_bytes = int(data.id.get_storage_size())
        end = time.perf_counter()
        decoded = decoded.reshape(values.shape)
        error = largest_difference(values, decoded) / self._bound(values)
        return RoundTrip(stored_bytes, decoded, written - start, end - written, error)


class Zfp(_Hdf5Filter):
    """ZFP with an accuracy; all values as one line, in which it needs the fewest bytes on these maps."""

    family = "ZFP"

    def _filter(self, bound: float) -> Any:
        return hdf5plugin.Zfp(accuracy=bound)

    def _arrange(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values.reshape(-1)


class Sz3(_Hdf5Filter):
    """SZ3 with an absolute error; maps keep their shape, which it predicts along."""

    family = "SZ3"

    def _filter(self, bound: float) -> Any:
        return hdf5plugin.SZ3(absolute=bound)


class _Blosc2(LossyCodec):
    """Zstandard behind Blosc2's bit shuffle, over contiguous pieces."""

    family = "blosc2"

    def _narrow(self, values: NDArray[np.float32]) -> NDArray[Any]:
        return values

    _filters: tuple[Any, ...] = (blosc2.Filter.BITSHUFFLE,)
    _meta: tuple[int, ...] = (0,)

    def round_trip(self, values: NDArray[np.float32]) -> RoundTrip:
        start = time.perf_counter()
        narrow = self._narrow(values).reshape(-1)
        pieces = [
            blosc2.compress2(
                piece, codec=blosc2.Codec.ZSTD, clevel=1, typesize=narrow.itemsize, nthreads=1,
                filters=list(self._filters), filters_meta=list(self._meta),
            )
            for piece in _pieces(narrow)
        ]  # fmt: skip
        written = time.perf_counter()
        decoded = np.concatenate([np.frombuffer(blosc2.decompress2(piece), narrow.dtype) for piece in pieces])
        decoded = decoded.astype(np.float32, copy=False).reshape(values.shape)
        end = time.perf_counter()
        error = self._error_over_bound(values, decoded)
        return RoundTrip(sum(map(len, pieces)), decoded, written - start, end - written, error)

    def _error_over_bound(self, values: NDArray[np.float32], decoded: NDArray[Any]) -> float:
        raise NotImplementedError


class Blosc2Truncated(_Blosc2):
    """Blosc2 that keeps `bits` bits of each mantissa."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.setting = f"{bits} bits"
        self._filters = (blosc2.Filter.TRUNC_PREC, blosc2.Filter.BITSHUFFLE)
        self._meta = (bits, 0)

    def _error_over_bound(self, values: NDArray[np.float32], decoded: NDArray[Any]) -> float:
        return _largest_relative_error(values, decoded) * 2**self.bits


class Blosc2Half(_Blosc2):
    """Blosc2 over float16."""

    setting = "float16"

    def _narrow(self, values: NDArray[np.float32]) -> NDArray[Any]:
        return values.astype(np.float16)

    def _error_over_bound(self, values: NDArray[np.float32], decoded: NDArray[Any]) -> float:
        # Half a unit in the last of 11 digits; values below float16's normal range have an absolute bound.
        normal = np.abs(values) >= float(np.finfo(np.float16).smallest_normal)
        return _largest_relative_error(values[normal], decoded[normal]) * 2**11


def largest_difference(values: NDArray[np.float32], decoded: NDArray[Any]) -> float:
    """Return the largest absolute difference of two arrays of one shape."""
    pairs = zip(values, decoded, strict=True)
    return max(float(np.abs(np.subtract(one, other, dtype=np.float64)).max()) for one, other in pairs)


def _largest_relative_error(values: NDArray[np.float32], decoded: NDArray[Any]) -> float:
    flat, other = values.reshape(-1), decoded.reshape(-1)
    worst = 0.0
    for start in range(0, flat.size, _CHUNK_VALUES):
        piece, found = flat[start : start + _CHUNK_VALUES], other[start : start + _CHUNK_VALUES]
        size = np.abs(piece)
        errors = np.abs(found - piece)[size > 0] / size[size > 0]
        worst = max(worst, float(errors.max(initial=0.0)))
        if (found[size == 0] != 0).any():
            return math.inf
    return worst


def _chunk_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return chunks of whole units, about a million values each."""
    unit_values = math.prod(shape[1:])
    return (max(1, min(shape[0], _CHUNK_VALUES // unit_values)), *shape[1:])


def _pieces(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, flat.size, _CHUNK_VALUES):
        yield flat[start : start + _CHUNK_VALUES]
