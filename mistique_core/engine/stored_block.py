"""The chunks of one row block of a column."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from mistique_core.catalogue.chunks import StoredChunk


class PlainChunk(NamedTuple):
    """A chunk of which the compiled reader takes rows, and which is no difference.

    Attributes
    ----------
    dtype, partition
        Of the chunk.
    spec, frames
        Its :attr:`~mistique_core.partition.ChunkLocation.for_rows`.
    """

    dtype: str
    partition: str
    spec: bytes
    frames: bytes


class StoredBlock(dict[str, StoredChunk]):
    """Part -> chunk. Complete before anybody reads it."""

    @cached_property
    def alone(self) -> PlainChunk | None:
        """The chunk of a block that has values only, if rows of it are simply taken."""
        chunk = self.get("values")
        how = None if chunk is None or chunk.base is not None or len(self) > 1 else chunk.location.for_rows
        return None if chunk is None or how is None else PlainChunk(chunk.location.dtype, chunk.partition, *how)
