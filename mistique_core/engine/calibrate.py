"""Measure how fast this host reads and decodes chunks, once, when a store is first opened on it."""

from __future__ import annotations

import statistics
import time

import numpy as np

from mistique_core.cost import ReadRate
from mistique_core.dedup import bytes_hash, chunk_hash
from mistique_core.partition import build_partition, decode_location, encode_chunk
from mistique_core.storage import StorageBackend

_LARGE_VALUES = 131_072
_REPEATS = 5


def calibrate(backend: StorageBackend, level: int) -> ReadRate:
    """Return the rate of reading, decoding and verifying chunks that `backend` keeps.

    A large and a tiny chunk are written to a scratch file and read back five times; medians
    separate what a byte costs from what a chunk costs. The file is a partition of random values, so
    that no other has its name, and is deleted afterwards; after a crash no catalogue refers to it.

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
    arrays = [generator.normal(size=_LARGE_VALUES).round(3), np.arange(8.0)]
    encoded = [encode_chunk(chunk_hash(array), array, level) for array in arrays]
    data, locations = build_partition(encoded)
    name = f"{bytes_hash(data).hex()}.h5"
    try:
        backend.put_if_absent(name, data)
        seconds: dict[bytes, float] = {}
        for location in locations:
            samples = []
            for _ in range(_REPEATS):
                start = time.perf_counter()
                payload = backend.get_range(name, location.offset, location.end - location.offset)
                chunk_hash(decode_location(location, payload))
                samples.append(time.perf_counter() - start)
            seconds[location.address] = statistics.median(samples)
    finally:
        backend.delete(name)
    large, tiny = (seconds[chunk.address] for chunk in encoded)
    return ReadRate(encoded[0].stored_bytes / max(large - tiny, 1e-6), tiny, 1)
