"""Approximate dedup in the write path: new chunks as differences to stored ones that are nearly equal."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.chunks import StoredChunk, similar_chunks
from mistique_core.dedup.delta_choice import Bases, NewChunk, choose_deltas
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import EncodedChunk, encode_delta

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Found:
    """What approximate dedup made of a chunk.

    Attributes
    ----------
    chunk
        Its encoding: as it was, or as a difference where that is smaller.
    base
        Address of the chunk that it is a difference to, or ``None``.
    bands
        Keys under which later chunks shall find it; none for a difference.
    """

    chunk: EncodedChunk
    base: bytes | None = None
    bands: tuple[int, ...] = ()


class SimilarChunks:
    """Finds similar chunks of one store by its index of MinHash bands.

    Parameters
    ----------
    reader
        Reads the values of stored chunks.
    level
        Zstandard level of differences.
    """

    def __init__(self, reader: ChunkReader, level: int) -> None:
        self._reader = reader
        self._level = level

    def differences(
        self,
        connection: sa.Connection,
        arrays: Mapping[bytes, Array],
        encoded: Sequence[EncodedChunk],
        bases: Bases | None = None,
    ) -> dict[bytes, Found]:
        """Return address -> what to store, for chunks that become differences or may be bases of others.

        Parameters
        ----------
        connection
            For looking up stored chunks.
        arrays
            Address -> values of the new chunks.
        encoded
            The new chunks, encoded on their own.
        bases
            What earlier calls for the same write have left.
        """
        whole = {chunk.address: chunk for chunk in encoded}
        candidates: dict[bytes, StoredChunk] = {}

        def stored(keys: Sequence[int]) -> Iterable[tuple[int, bytes]]:
            for key, chunks in similar_chunks(connection, keys).items():
                for chunk in chunks:
                    if chunk.address in whole:
                        continue  # it is being written again; a chunk is no difference to itself
                    candidates[chunk.address] = chunk
                    yield key, chunk.address

        def read(address: bytes) -> Array | None:
            try:
                return self._reader.read([ChunkRequest(candidates[address])])[0]
            except CorruptPartitionError as error:
                log.warning("a similar chunk is not used: %s", error)
                return None

        def encode(chunk: NewChunk, base: bytes, delta: Array, scale: int) -> EncodedChunk:
            return encode_delta(whole[chunk.address], chunk.array, base, delta, scale, self._level)

        new = [NewChunk(chunk.address, arrays[chunk.address], chunk.stored_bytes) for chunk in encoded]
        choice = choose_deltas(new, stored, read, encode, bases=bases)
        found = {address: Found(item.encoded, item.base) for address, item in choice.deltas.items()}
        found.update((address, Found(whole[address], bands=keys)) for address, keys in choice.keys.items())
        return found
