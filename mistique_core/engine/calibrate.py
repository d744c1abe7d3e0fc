"""Measure how fast this host reads and decodes chunks, once, when a store is first opened on it."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from mistique_core.cost import ReadRate
from mistique_core.dedup import chunk_hash
from mistique_core.partition import build_partition, decode_chunk, encode_chunk
from mistique_core.storage import LocalBackend

_LARGE_VALUES = 131_072
_REPEATS = 5
_NAME = "0" * 64 + ".h5"


def calibrate(folder: Path, level: int) -> ReadRate:
    """Return the rate of reading, decoding and verifying chunks in `folder`.

    A large and a tiny chunk are written to a scratch folder and read back five times; medians
    separate what a byte costs from what a chunk costs.

    Parameters
    ----------
    folder
        Where the store keeps its bytes.
    level
        Zstandard level of the store.
    """
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=_LARGE_VALUES).round(3), np.arange(8.0)]
    encoded = [encode_chunk(chunk_hash(array), array, level) for array in arrays]
    data, locations = build_partition(encoded)
    with tempfile.TemporaryDirectory(prefix=".calibrate-", dir=folder) as scratch:
        backend = LocalBackend(Path(scratch))
        backend.put_if_absent(_NAME, data)
        seconds: dict[bytes, float] = {}
        for location in locations:
            samples = []
            for _ in range(_REPEATS):
                start = time.perf_counter()
                payload = backend.get_range(_NAME, location.offset, location.size)
                chunk_hash(decode_chunk(payload, location.encoding, location.dtype, location.shape))
                samples.append(time.perf_counter() - start)
            seconds[location.address] = statistics.median(samples)
    large, tiny = (seconds[chunk.address] for chunk in encoded)
    return ReadRate(len(encoded[0].payload) / max(large - tiny, 1e-6), tiny, 1)
