"""Writing chunks: hash, leave out what is stored already, encode, make durable, then register.

The order is invariant 1 of the design: partitions are durable before the transaction that makes
their chunks visible. A crash in between leaves a file that nothing refers to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.chunks import known_addresses, register_partition
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.tables import chunk
from mistique_core.config import StoreConfig
from mistique_core.dedup import bytes_hash
from mistique_core.partition import ChunkLocation, EncodedChunk, build_partition, encode_chunk
from mistique_core.storage import StorageBackend

Array = npt.NDArray[Any]
_MOST_THREADS = 8


@dataclass(frozen=True)
class WrittenChunks:
    """Durable but not yet visible chunks.

    Attributes
    ----------
    partitions
        (file name, file bytes, chunks in it).
    new_bytes
        Address -> encoded bytes of each chunk that was not stored before.
    """

    partitions: tuple[tuple[str, int, tuple[ChunkLocation, ...]], ...]
    new_bytes: Mapping[bytes, int]

    def register(self, connection: sa.Connection) -> dict[bytes, int]:
        """Make the chunks visible, as part of the caller's transaction.

        Returns
        -------
        dict
            Address -> encoded bytes of each chunk that no other writer has registered meanwhile.
        """
        added: set[bytes] = set()
        for name, size, rows in self.partitions:
            added |= register_partition(connection, name, size, rows)
        return {address: size for address, size in self.new_bytes.items() if address in added}


def write_chunks(
    arrays: Mapping[bytes, Array], catalogue: Catalogue, backend: StorageBackend, config: StoreConfig
) -> WrittenChunks:
    """Make every chunk durable that the store does not hold yet.

    Parameters
    ----------
    arrays
        Address -> array.
    catalogue, backend, config
        The store.

    Raises
    ------
    StorageError
        If a partition cannot be written; nothing is then registered.
    """
    with catalogue.read() as connection:
        known = known_addresses(connection, chunk, arrays)
    new = _encode({address: array for address, array in arrays.items() if address not in known}, config.zstd_level)
    partitions = []
    for group in _partition_groups(new, config.partition_bytes):
        data, locations = build_partition(group)
        name = f"{bytes_hash(data).hex()}.h5"
        backend.put_if_absent(name, data)
        partitions.append((name, len(data), tuple(locations)))
    return WrittenChunks(tuple(partitions), {item.address: len(item.payload) for item in new})


def _encode(arrays: Mapping[bytes, Array], level: int) -> list[EncodedChunk]:
    """Encode chunks in order, on all cores: compression runs without Python's lock."""
    if len(arrays) < 2:
        return [encode_chunk(address, array, level) for address, array in arrays.items()]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(arrays), _MOST_THREADS)) as pool:
        return list(pool.map(lambda item: encode_chunk(item[0], item[1], level), arrays.items()))


def _partition_groups(chunks: Sequence[EncodedChunk], limit: int) -> Iterator[list[EncodedChunk]]:
    group: list[EncodedChunk] = []
    size = 0
    for item in chunks:
        if group and size + len(item.payload) > limit:
            yield group
            group, size = [], 0
        group.append(item)
        size += len(item.payload)
    if group:
        yield group


def bytes_array(data: bytes) -> Array:
    """Return bytes as a uint8 array, the form in which fitted objects are stored."""
    return np.frombuffer(data, dtype=np.uint8)
