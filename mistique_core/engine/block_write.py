"""A write of row blocks that become durable and registered one after the other, before anything refers to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from mistique_core.catalogue.chunks import ChunksGoneError, known_addresses
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.open_writes import hold_shared
from mistique_core.catalogue.tables import chunk
from mistique_core.engine.chunk_writer import Array, ChunkStream, ChunkWriter, WholeChunk
from mistique_core.storage import StorageBackend


class BlockWrite:
    """Looks up and adds in one thread, encodes in any, and registers at the ends of row blocks.

    Parameters
    ----------
    catalogue, backend, writer
        The store.
    announce, withdraw
        Announce the write before its bytes are stored, and its end.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        backend: StorageBackend,
        writer: ChunkWriter,
        announce: Callable[[], None],
        withdraw: Callable[[], None],
    ) -> None:
        self._catalogue = catalogue
        self._backend = backend
        self._withdraw = withdraw
        self._stream: ChunkStream = writer.stream(announce)
        self._enough_bytes = writer.partition_bytes // 2

    def unknown(self, arrays: Mapping[bytes, Array]) -> dict[bytes, Array]:
        """Return those arrays that are neither stored nor were asked for before.

        Parameters
        ----------
        arrays
            Address -> array, which must not change any more.
        """
        with self._catalogue.read() as connection:
            return self._stream.unknown(connection, arrays)

    def encode(self, arrays: Mapping[bytes, Array]) -> list[WholeChunk]:
        """Encode arrays, in any thread."""
        return self._stream.encode(arrays)

    def add(self, whole: Sequence[WholeChunk]) -> int:
        """Add what :meth:`encode` returned; return its bytes. The order decides what lies next to each other.

        Raises
        ------
        StorageError
            If a partition is full and cannot be written.
        """
        self._stream.add_whole(whole)
        return sum(item.chunk.stored_bytes for item in whole)

    @property
    def pending_bytes(self) -> int:
        """Encoded bytes that were added and are not durable yet."""
        return self._stream.pending_bytes

    @property
    def is_due(self) -> bool:
        """Whether enough has been added for a partition, so that the end of a row block should be registered."""
        return self._stream.pending_bytes >= self._enough_bytes

    def register(self, record: Callable[[sa.Connection], None], addresses: Sequence[bytes]) -> None:
        """Make what was added durable and register it.

        Parameters
        ----------
        record
            Notes, in the same transaction, what the chunks are for.
        addresses
            Of all chunks that it notes.

        Raises
        ------
        StorageError
            If a partition cannot be written.
        ChunksGoneError
            If chunks that were stored before have been deleted meanwhile.
        """
        written = self._stream.cut()
        with self._catalogue.write() as connection:
            hold_shared(connection)
            written.register(connection, self._backend)
            wanted = set(addresses)
            missing = len(wanted) - len(known_addresses(connection, chunk, wanted))
            if missing:
                raise ChunksGoneError(f"{missing} chunks were deleted while they were taken over; log it again")
            record(connection)

    def close(self) -> None:
        """Let go of what was not registered; its bytes, if any, are left to garbage collection."""
        self._stream.close()
        self._withdraw()
