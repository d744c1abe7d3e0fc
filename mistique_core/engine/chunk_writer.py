"""Writing chunks: leave out what is stored already, encode, make durable; registering comes after.

The order is invariant 1 of the design: partitions are durable before the transaction that makes
their chunks visible. A crash in between leaves a file that nothing refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.chunks import (
    ChunksGoneError,
    NewChunk,
    NewColumn,
    NewPartition,
    known_addresses,
    register_partitions,
)
from mistique_core.catalogue.tables import chunk
from mistique_core.config import StoreConfig
from mistique_core.cores import usable_cores
from mistique_core.dedup import bytes_hash
from mistique_core.dedup.delta_choice import Bases
from mistique_core.engine.similar import Found, SimilarChunks
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import EncodedChunk, PartitionBuilder, Zone, encode_chunk, zone_of
from mistique_core.storage import StorageBackend

Array = npt.NDArray[Any]
_MOST_THREADS = 8
_LARGE_BYTES = 1 << 20


@dataclass(frozen=True)
class WrittenChunks:
    """Durable but not yet visible chunks.

    Attributes
    ----------
    partitions
        The files that hold them.
    new_bytes
        Address -> encoded bytes of each chunk that was not stored before.
    """

    partitions: tuple[NewPartition, ...]
    new_bytes: Mapping[bytes, int]

    def register(self, connection: sa.Connection, backend: StorageBackend) -> dict[bytes, int]:
        """Make the chunks visible, as part of the caller's transaction.

        Returns
        -------
        dict
            Address -> encoded bytes of each chunk that no other writer has registered meanwhile.

        Raises
        ------
        ChunksGoneError
            If a file has been deleted since, or the base of a difference.
        """
        for item in self.partitions:
            _check_presence(backend, item)
        added = register_partitions(connection, self.partitions)
        return {address: size for address, size in self.new_bytes.items() if address in added}


def _check_presence(backend: StorageBackend, item: NewPartition) -> None:
    """Make sure, while nobody can delete anything, that a file is still there, even one just written."""
    try:
        backend.size(item.name)
    except CorruptPartitionError as error:
        raise ChunksGoneError(f"partition {item.name[:12]} was deleted while it was written; write again") from error


@dataclass(frozen=True)
class WholeChunk:
    """A chunk encoded on its own.

    Attributes
    ----------
    array, chunk
        Before and after.
    zone
        Its range, if it has one.
    """

    array: Array
    chunk: EncodedChunk
    zone: Zone | None


@dataclass(frozen=True)
class _Stored:
    """A chunk as it will be stored: on its own or as a difference to `base`."""

    chunk: EncodedChunk
    zone: Zone | None
    base: bytes | None = None
    bands: tuple[int, ...] = ()


class ChunkWriter:
    """Encodes chunks and makes them durable.

    Parameters
    ----------
    backend
        Where partitions live.
    config
        Levels and limits.
    similar
        Finds stored chunks that are nearly equal; ``None`` switches that off.

    Attributes
    ----------
    partition_bytes
        Most bytes of the chunks of a partition.
    """

    def __init__(self, backend: StorageBackend, config: StoreConfig, similar: SimilarChunks | None) -> None:
        self._backend = backend
        self._config = config
        self._similar = similar
        self._threads = usable_cores() - 1
        self.partition_bytes = config.partition_bytes

    def write(
        self, connection: sa.Connection, arrays: Mapping[bytes, Array], columns: Sequence[NewColumn]
    ) -> WrittenChunks:
        """Make every chunk durable that the store does not hold yet.

        Parameters
        ----------
        connection
            For looking up what is stored.
        arrays
            Address -> array.
        columns
            The new column versions, which the last partition describes for a later rebuild.

        Raises
        ------
        StorageError
            If a partition cannot be written; nothing is then registered.
        """
        stream = self.stream()
        try:
            stream.add(connection, self.encode(stream.unknown(connection, arrays), while_waiting=True))
            return stream.finish(columns)
        finally:
            stream.close()

    def stream(self, before_put: Callable[[], None] = lambda: None) -> ChunkStream:
        """Return a write to which arrays can be added bit by bit.

        Parameters
        ----------
        before_put
            Called before each partition is made durable.
        """
        return ChunkStream(self, before_put)

    def write_again(self, arrays: Mapping[bytes, Array]) -> WrittenChunks:
        """Make chunks durable that the catalogue knows already; each on its own, none as a difference."""
        stream = self.stream()
        try:
            stream.append([_Stored(item.chunk, item.zone) for item in self.encode(arrays)])
            return stream.finish(())
        finally:
            stream.close()

    def unknown(self, connection: sa.Connection, arrays: Mapping[bytes, Array]) -> dict[bytes, Array]:
        """Return those chunks that are not stored."""
        known = known_addresses(connection, chunk, arrays) if self._config.exact_dedup else {}
        return {address: array for address, array in arrays.items() if address not in known}

    def encode(self, arrays: Mapping[bytes, Array], *, while_waiting: bool = False) -> list[WholeChunk]:
        """Encode chunks in order; where there are more than two cores, on all but one of them.

        Parameters
        ----------
        arrays
            Address -> array.
        while_waiting
            Whether nothing else is done meanwhile: chunks that are large enough for it are then encoded on all cores.
        """

        def encode_one(item: tuple[bytes, Array]) -> WholeChunk:
            return WholeChunk(item[1], encode_chunk(item[0], item[1], self._config.zstd_level), zone_of(item[1]))

        is_large = while_waiting and sum(array.nbytes for array in arrays.values()) > len(arrays) * _LARGE_BYTES
        threads = min(usable_cores() if is_large else self._threads, _MOST_THREADS, len(arrays))
        if threads < 2:
            return [encode_one(item) for item in arrays.items()]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(encode_one, arrays.items()))

    def as_differences(self, connection: sa.Connection, whole: Sequence[WholeChunk], bases: Bases) -> list[_Stored]:
        """Make differences of those chunks that are smaller as such."""
        found: Mapping[bytes, Found] = {}
        if self._similar is not None:
            arrays = {item.chunk.address: item.array for item in whole}
            found = self._similar.differences(connection, arrays, [item.chunk for item in whole], bases)
        return [
            _Stored(item.chunk, item.zone) if made is None else _Stored(made.chunk, item.zone, made.base, made.bands)
            for item, made in ((item, found.get(item.chunk.address)) for item in whole)
        ]

    def put(
        self, builder: PartitionBuilder, chunks: Sequence[NewChunk], documents: Sequence[dict[str, Any]]
    ) -> NewPartition:
        """Make the partition durable to which `chunks` were added."""
        data = builder.finish(documents)
        name = f"{bytes_hash(data).hex()}.h5"
        is_new = self._backend.put_if_absent(name, data)
        if not is_new and not self._is_intact(name, data):
            # Named after what it should hold: putting that there can only repair it.
            self._backend.delete(name)
            self._backend.put_if_absent(name, data)
        return NewPartition(name, len(data), tuple(chunks))

    def _is_intact(self, name: str, data: bytes) -> bool:
        try:
            return self._backend.size(name) == len(data) and self._backend.get_range(name, 0, len(data)) == data
        except CorruptPartitionError:
            return False


class ChunkStream:
    """Chunks that are added bit by bit, until all of them are durable.

    Parameters
    ----------
    writer
        Encodes them and puts partitions.
    before_put
        Called before each partition is made durable.
    """

    def __init__(self, writer: ChunkWriter, before_put: Callable[[], None]) -> None:
        self._writer = writer
        self._before_put = before_put
        self._seen: set[bytes] = set()
        self._bases = Bases()
        self._builder: PartitionBuilder | None = None
        self._chunks: list[NewChunk] = []
        self._partitions: list[NewPartition] = []
        self._sizes: dict[bytes, int] = {}

    def unknown(self, connection: sa.Connection, arrays: Mapping[bytes, Array]) -> dict[bytes, Array]:
        """Return those chunks that are neither stored nor were asked for before.

        Parameters
        ----------
        connection
            For looking up what is stored.
        arrays
            Address -> array, which must not change any more.
        """
        unseen = {address: array for address, array in arrays.items() if address not in self._seen}
        self._seen.update(unseen)
        return self._writer.unknown(connection, unseen)

    def encode(self, arrays: Mapping[bytes, Array]) -> list[WholeChunk]:
        """Encode chunks on their own, for :meth:`add`, which another thread may call."""
        return self._writer.encode(arrays)

    def add(self, connection: sa.Connection, whole: Sequence[WholeChunk]) -> None:
        """Add encoded chunks, or differences instead; a full partition is made durable.

        Raises
        ------
        StorageError
            If a partition cannot be written.
        """
        if whole:
            self.append(self._writer.as_differences(connection, whole, self._bases))

    def append(self, encoded: Sequence[_Stored]) -> None:
        """Add chunks as they are."""
        for item in encoded:
            size = item.chunk.stored_bytes
            if self._builder is not None and self._builder.stored_bytes + size > self._writer.partition_bytes:
                self._put(())
            if self._builder is None:
                self._builder = PartitionBuilder()
            location = self._builder.add(item.chunk)
            self._chunks.append(NewChunk(location, item.zone, item.base, item.bands))
            self._sizes[item.chunk.address] = size

    @property
    def pending_bytes(self) -> int:
        """Encoded bytes that are not durable yet."""
        return 0 if self._builder is None else self._builder.stored_bytes

    def add_whole(self, whole: Sequence[WholeChunk]) -> None:
        """Add encoded chunks as they are, without a search for similar ones.

        Raises
        ------
        StorageError
            If a partition is full and cannot be written.
        """
        self.append([_Stored(item.chunk, item.zone) for item in whole])

    def cut(self) -> WrittenChunks:
        """Make durable what was added so far, and hand it over to be registered; more can be added afterwards.

        Raises
        ------
        StorageError
            If a partition cannot be written.
        """
        if self._builder is not None:
            self._put(())
        written = WrittenChunks(tuple(self._partitions), self._sizes)
        self._partitions, self._sizes = [], {}
        return written

    def finish(self, columns: Sequence[NewColumn]) -> WrittenChunks:
        """Make the rest durable; the last partition describes the new column versions for a later rebuild.

        Raises
        ------
        StorageError
            If a partition cannot be written; nothing is then registered.
        """
        if self._builder is not None or columns:
            self._put([column.document() for column in columns])
        return WrittenChunks(tuple(self._partitions), self._sizes)

    def close(self) -> None:
        """Let go of what is not durable yet."""
        if self._builder is not None:
            self._builder.close()
            self._builder = None

    def _put(self, documents: Sequence[dict[str, Any]]) -> None:
        builder = self._builder or PartitionBuilder()
        self._builder = None
        try:
            self._before_put()
            self._partitions.append(self._writer.put(builder, self._chunks, documents))
        finally:
            builder.close()
        self._chunks = []
