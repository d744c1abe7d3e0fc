"""Reading chunks by byte range, verified against their address, with a bounded cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import chunk_hash
from mistique_core.engine.chunk_writer import Array
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import decode_chunk
from mistique_core.storage import StorageBackend


@dataclass
class ReadTally:
    """What a query fetched from storage (cached chunks are not counted)."""

    chunks: int = 0
    stored_bytes: int = 0


class ChunkReader:
    """Decodes chunks and keeps the most recently used ones.

    Parameters
    ----------
    backend
        Where partitions live.
    cache_bytes
        Most decoded bytes to keep; 0 keeps nothing.
    """

    def __init__(self, backend: StorageBackend, cache_bytes: int) -> None:
        self._backend = backend
        self._limit = cache_bytes
        self._cached: OrderedDict[bytes, Array] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def read(self, chunk: StoredChunk, tally: ReadTally | None = None) -> Array:
        """Return a chunk's array, read-only.

        Raises
        ------
        CorruptPartitionError
            If the bytes are not those that were written: no wrong value is ever returned.
        """
        with self._lock:
            cached = self._cached.get(chunk.address)
            if cached is not None:
                self._cached.move_to_end(chunk.address)
                return cached
        payload = self._backend.get_range(chunk.partition, chunk.offset, chunk.size) if chunk.size else b""
        array = decode_chunk(payload, chunk.encoding, chunk.dtype, chunk.shape)
        if chunk_hash(array) != chunk.address:
            raise CorruptPartitionError(
                f"chunk {chunk.address.hex()[:12]} of partition {chunk.partition[:12]} has changed on disk; "
                "restore the file from a backup, or re-run the stage with strategy='rerun'"
            )
        if tally is not None:
            tally.chunks += 1
            tally.stored_bytes += chunk.size
        self._keep(chunk.address, array)
        return array

    def _keep(self, address: bytes, array: Array) -> None:
        if array.nbytes > self._limit:
            return
        with self._lock:
            if address not in self._cached:
                self._cached[address] = array
                self._cached_bytes += array.nbytes
            while self._cached_bytes > self._limit:
                _, dropped = self._cached.popitem(last=False)
                self._cached_bytes -= dropped.nbytes
