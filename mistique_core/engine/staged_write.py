"""A write that is made ready while more is still being logged: what is left for its end is little."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.catalogue.database import Catalogue
from mistique_core.engine.chunk_writer import ChunkStream, ChunkWriter, WholeChunk, WrittenChunks
from mistique_core.engine.outputs import OutputSet


class StagedWrite:
    """Outputs that are looked up and encoded as they come, by one thread, and added to partitions by another.

    Parameters
    ----------
    id
        Identity of the write.
    catalogue, writer
        The store.
    exact_dedup
        Whether what is stored already is left out.
    announce
        Announces the write, before any of its bytes is stored.
    """

    def __init__(
        self, id: str, catalogue: Catalogue, writer: ChunkWriter, exact_dedup: bool, announce: Callable[[], None]
    ) -> None:
        self.id = id
        self._catalogue = catalogue
        self._exact_dedup = exact_dedup
        self._stream: ChunkStream = writer.stream(announce)
        self._columns: list[NewColumn] = []
        self._looked_up: set[bytes] = set()

    def encode(self, outputs: OutputSet) -> list[WholeChunk]:
        """Encode what the store does not hold of some outputs, whose arrays must not change any more."""
        with self._catalogue.read() as connection:
            missing = outputs.missing(connection, skip_known=self._exact_dedup, leave_out=self._looked_up)
            unknown = self._stream.unknown(connection, missing.arrays)
        self._columns.extend(missing.columns)
        self._looked_up.update(outputs.column_versions)
        return self._stream.encode(unknown)

    def add(self, whole: Sequence[WholeChunk]) -> None:
        """Add what :meth:`encode` returned, in the same order.

        Raises
        ------
        StorageError
            If a partition is full and cannot be written.
        """
        if whole:
            with self._catalogue.read() as connection:
                self._stream.add(connection, whole)

    def finish(self) -> WrittenChunks:
        """Make everything durable that was added.

        Raises
        ------
        StorageError
            If a partition cannot be written; nothing is then registered.
        """
        return self._stream.finish(self._columns)

    def close(self) -> None:
        """Let go of what is not durable yet."""
        self._stream.close()
