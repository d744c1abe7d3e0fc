"""Reading a chunk without any cache, and proving that it is what its address says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.chunks import StoredChunk, chunks_by_id
from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import apply_delta
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import ChunkLocation, decode_chunk
from mistique_core.storage import StorageBackend

Array = npt.NDArray[Any]
Frames = Sequence[bytes | memoryview]


def frames_in(location: ChunkLocation, data: bytes) -> list[memoryview]:
    """Return the frames of a chunk from the bytes of its whole partition.

    Raises
    ------
    CorruptPartitionError
        If the partition ends before the chunk does.
    """
    view = memoryview(data)
    frames = [view[offset : offset + size] for offset, size in location.extents]
    if any(len(frame) != size for frame, (_, size) in zip(frames, location.extents, strict=True)):
        raise CorruptPartitionError(f"the file ends before chunk {location.address.hex()[:12]} does")
    return frames


def decode_verified(location: ChunkLocation, frames: Frames, base: Array | None = None) -> Array:
    """Return the array of a chunk.

    Parameters
    ----------
    location, frames
        How it is decoded, and its bytes.
    base
        The array that it is a difference to.

    Raises
    ------
    CorruptPartitionError
        If it is not the array that its address says.
    """
    scale = 0 if location.codec is None else location.codec.transform.scale
    apply = None if base is None else lambda codes: apply_delta(base, codes, scale)
    array = decode_chunk(frames, location.encoding, location.codec, location.dtype, location.shape, apply)
    if chunk_hash(array) != location.address:
        raise CorruptPartitionError(f"chunk {location.address.hex()[:12]} is not what its address says")
    return array


class BaseReader:
    """Reads the chunks that others are differences to, keeping the last one.

    Parameters
    ----------
    backend
        Where partitions live.
    """

    def __init__(self, backend: StorageBackend) -> None:
        self._backend = backend
        self._last: tuple[bytes, Array] | None = None

    def read(self, connection: sa.Connection, chunk: StoredChunk) -> Array | None:
        """Return the array that a chunk is a difference to; ``None`` if it is none.

        Raises
        ------
        CorruptPartitionError
            If that array cannot be read.
        """
        if chunk.base is None:
            return None
        base = chunks_by_id(connection, [chunk.base]).get(chunk.base)
        if base is None or base.base is not None:
            raise CorruptPartitionError(f"chunk {chunk.address.hex()[:12]} is a difference to one that is not there")
        if self._last is None or self._last[0] != base.address:
            frames = self._backend.get_ranges(base.partition, base.location.extents)
            self._last = (base.address, decode_verified(base.location, frames))
        return self._last[1]
