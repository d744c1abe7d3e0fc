"""Measure how fast this host reads and decodes chunks, once, when a store is first opened on it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.stored_size import encoding_name
from mistique_core.cost import PLAIN, QUERY, Rate
from mistique_core.dedup import bytes_hash, chunk_hash
from mistique_core.engine.stored_array import units_last
from mistique_core.partition import build_partition, decode_location, encode_chunk
from mistique_core.planner import RERUN, RERUN_BYTES
from mistique_core.quantizers import Quantizer, parse_scheme
from mistique_core.storage import StorageBackend

_LEAST_SECONDS = 1e-11
"""A byte in a core's memory: what is measured as less is the noise of a difference between two medians."""
_LARGE_VALUES = 131_072
_UNITS, _ROWS = 16, 2_048
_REPEATS = 5
_QUERY_SECONDS = 5e-4
_RERUN_SECONDS = 2e-3
_SCHEMES = ("float16", "float32", "kbit(8)", "bounded(0.25)", "threshold(99.5%)", "pool(2)", "pool(2)+float16")
_TEXTS = ("string", "object", "categorical")


def calibrate(backend: StorageBackend, level: int) -> dict[str, Rate]:
    """Return what reading costs on this host: for each encoding its chunks, stored, reconstructed and returned bytes.

    A large and a tiny chunk are written to a scratch file and read back five times; medians separate what a byte costs
    from what a chunk costs. Every lossy scheme then reconstructs a small array of units in memory. The file is a
    partition of random values, so that no other has its name, and is deleted afterwards; after a crash no
    catalogue refers to it.

    Parameters
    ----------
    backend
        Where the store keeps its bytes.
    level
        Zstandard level of the store.

    Raises
    ------
    StorageError
        If the backend cannot write, read or delete.
    """
    generator = np.random.default_rng()
    large, tiny = generator.normal(size=_LARGE_VALUES).round(3), np.arange(8.0)
    chunk_seconds, stored, decoded = _read_back(backend, level, [large, tiny])
    units = np.maximum(generator.normal(size=(_UNITS, _ROWS, 2, 2)), 0).astype(np.float32)
    copied = _median(lambda: units_last(list(units))) / units.nbytes
    rates = {
        QUERY: _QUERY_SECONDS,
        RERUN: _RERUN_SECONDS,
        RERUN_BYTES: copied,
        **_of(PLAIN, chunk_seconds, stored, decoded, copied / 4),
        **_of("units", chunk_seconds, stored, decoded, copied),
    }
    for kind in _TEXTS:
        rates.update(_of(kind, chunk_seconds, stored, decoded * 4, copied))
    for text in _SCHEMES:
        scheme = parse_scheme(text)
        assert scheme is not None
        name, seconds, share = _reconstructing(scheme, units)
        rates.update(_of(name, chunk_seconds, stored, seconds + decoded * share, copied))
    return {term: Rate(max(seconds, _LEAST_SECONDS)) for term, seconds in rates.items()}


def _of(encoding: str, chunk: float, stored: float, decoded: float, output: float) -> dict[str, float]:
    terms = (("chunk", chunk), ("stored", stored), ("decoded", decoded), ("output", output))
    return {f"{term}.{encoding}": seconds for term, seconds in terms}


def _read_back(
    backend: StorageBackend, level: int, arrays: list[npt.NDArray[np.float64]]
) -> tuple[float, float, float]:
    """Return the seconds of a chunk, of a stored byte and of a decoded byte."""
    encoded = [encode_chunk(chunk_hash(array), array, level) for array in arrays]
    data, locations = build_partition(encoded)
    name = f"{bytes_hash(data).hex()}.h5"
    try:
        backend.put_if_absent(name, data)
        fetching, decoding = [], []
        for location in locations:
            fetched, decoded = [], []
            for _ in range(_REPEATS):
                start = time.perf_counter()
                payload = backend.get_range(name, location.offset, location.end - location.offset)
                middle = time.perf_counter()
                chunk_hash(decode_location(location, payload))
                fetched.append(middle - start)
                decoded.append(time.perf_counter() - middle)
            fetching.append(statistics.median(fetched))
            decoding.append(statistics.median(decoded))
    finally:
        backend.delete(name)
    return (
        fetching[1] + decoding[1],
        max(fetching[0] - fetching[1], 1e-7) / encoded[0].stored_bytes,
        max(decoding[0] - decoding[1], 1e-7) / arrays[0].nbytes,
    )


def _reconstructing(scheme: Quantizer, units: npt.NDArray[np.float32]) -> tuple[str, float, float]:
    """Return a scheme's encoding, the seconds of a reconstructed byte, and its bytes of codes for each of them."""
    fitted = scheme.fit(units)
    parts = fitted.encode(units).parts
    made = fitted.decode(parts, _ROWS)
    seconds = _median(lambda: fitted.decode(parts, _ROWS))
    return (
        encoding_name(fitted.config()),
        seconds / made.nbytes,
        sum(part.nbytes for part in parts.values()) / made.nbytes,
    )


def _median(action: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
