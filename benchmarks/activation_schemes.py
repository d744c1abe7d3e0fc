"""The store's own schemes over activations: quantized, packed and compressed as in a partition."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lossy_peers import LossyCodec, RoundTrip, largest_difference, step_of
from mistique_core.partition import EncodedChunk, decode_chunk, encode_chunk
from mistique_core.partition.encoding import PAGES
from mistique_core.quantizers import FittedQuantizer, parse_scheme

_SLICE_VALUES = 1 << 23
_CHUNK_VALUES = 1 << 17
_SAMPLE_ROWS = 250
ZSTD_LEVEL = 1


@dataclass(frozen=True)
class Slice:
    """Some rows of a layer, encoded: of each part the chunks in order."""

    fitted: FittedQuantizer
    rows: int
    parts: dict[str, list[EncodedChunk]]
    max_abs_error: float

    @property
    def stored_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.stored_bytes for parts in self.parts.values() for part in parts)


def text_of(scheme: str | float, shape: tuple[int, ...]) -> str:
    """Return a scheme's text for a layer of shape ``(units, rows, ...)``.

    A number is BOUNDED with that many times the layer's step. Where there are no maps, what follows POOL is used.
    """
    if isinstance(scheme, str):
        return scheme if len(shape) > 2 else scheme.rpartition("+")[2]
    return f"bounded({scheme * step_of(shape[0] * math.prod(shape[2:])):g})"


def encode_layers(layers: Iterable[NDArray[np.float32]], scheme: str | float, threads: int = 1) -> list[list[Slice]]:
    """Encode layers of shape ``(units, rows, ...)``, in any memory layout, in slices of rows.

    All units of a slice are quantized together: picking units out of an array in which they lie side by side
    would read it once a unit.
    """

    def encode(task: tuple[FittedQuantizer, NDArray[np.float32]]) -> Slice:
        fitted, values = task
        encoded = fitted.encode(values)
        parts = {name: [_store(chunk) for chunk in _chunks(part)] for name, part in encoded.parts.items()}
        return Slice(fitted, values.shape[1], parts, encoded.max_abs_error)

    with ThreadPoolExecutor(threads) as pool:
        pending = []
        for values in layers:
            quantizer = parse_scheme(text_of(scheme, values.shape))
            assert quantizer is not None
            fitted = quantizer.fit(values[:, :_SAMPLE_ROWS])
            step = max(1, _SLICE_VALUES // (values.size // values.shape[1]))
            starts = range(0, values.shape[1], step)
            pending.append([pool.submit(encode, (fitted, values[:, start : start + step])) for start in starts])
        return [[future.result() for future in futures] for futures in pending]


def lossless_bytes(values: NDArray[Any]) -> int:
    """Return the bytes of a layer ``(units, rows, ...)`` that is stored as it is."""
    return sum(_store(chunk).stored_bytes for chunk in _chunks(np.ascontiguousarray(values)))


def decode_layer(slices: list[Slice]) -> NDArray[Any]:
    """Return the values ``(units, rows, ...)``."""
    blocks = []
    for item in slices:
        parts = {name: np.concatenate([load(chunk) for chunk in chunks]) for name, chunks in item.parts.items()}
        blocks.append(item.fitted.decode(parts, item.rows))
    return np.concatenate(blocks, axis=1)


def _chunks(part: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield a part in pieces of whole units."""
    step = max(1, _CHUNK_VALUES * len(part) // max(part.size, 1))
    for start in range(0, max(len(part), 1), step):
        yield part[start : start + step]


def _store(array: NDArray[Any]) -> EncodedChunk:
    return encode_chunk(bytes(32), np.ascontiguousarray(array), ZSTD_LEVEL)


def load(chunk: EncodedChunk) -> NDArray[Any]:
    """Return the array of a chunk, flattened."""
    frames = list(chunk.pages) if chunk.table is None else [chunk.table, *chunk.pages]
    return decode_chunk(frames, PAGES, chunk.codec, chunk.dtype, chunk.shape).reshape(-1)


def _error_over_bound(slices: list[Slice], values: NDArray[np.float32], decoded: NDArray[Any]) -> float:
    """Return the largest error over its slice's bound; NaN where a scheme summarises values or keeps only bits."""
    if decoded.shape != values.shape or decoded.dtype == np.bool_:
        return math.nan
    worst, row = 0.0, 0
    for item in slices:
        rows = slice(row, row + item.rows)
        error = largest_difference(values[:, rows], decoded[:, rows])
        if error:
            worst = max(worst, error / item.max_abs_error if item.max_abs_error else math.inf)
        row = rows.stop
    return worst


class SchemeCodec(LossyCodec):
    """One of our schemes.

    Parameters
    ----------
    family, setting
        For the plot.
    scheme
        Text, or for BOUNDED how many times the layer's step.
    """

    def __init__(self, family: str, setting: str, scheme: str | float) -> None:
        self.family, self.setting, self._scheme = family, setting, scheme

    def round_trip(self, values: NDArray[np.float32]) -> RoundTrip:
        start = time.perf_counter()
        (slices,) = encode_layers([values], self._scheme)
        written = time.perf_counter()
        decoded = decode_layer(slices)
        end = time.perf_counter()
        error = _error_over_bound(slices, values, decoded)
        return RoundTrip(sum(item.stored_bytes for item in slices), decoded, written - start, end - written, error)
