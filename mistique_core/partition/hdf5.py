"""The partition file: an immutable HDF5 file of independently compressed chunks.

Each chunk is one dataset, named by its content address in hex and holding a single HDF5 chunk, so
that its bytes lie in one contiguous range: readers fetch that range without any HDF5 call, and any
HDF5 program with the public zstd filter can still read every value. Dataset name, dtype, shape and
filters are enough to rebuild the catalogue's chunk table from the file alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import h5py
import hdf5plugin
import numpy as np

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.encoding import EncodedChunk

FORMAT_VERSION = 1
CHUNK_GROUP = "chunks"
_LIBVER = ("v110", "v110")
_FILTERS = {(): "raw", (hdf5plugin.Zstd.filter_id,): "zstd", (2, hdf5plugin.Zstd.filter_id): "shuffle"}


@dataclass(frozen=True)
class ChunkLocation:
    """Where a chunk lies in its partition.

    Attributes
    ----------
    address
        Content address, 32 bytes.
    dtype, shape, encoding
        What is needed to decode it.
    offset
        First byte in the file (inclusive).
    size
        Number of bytes; the range is ``[offset, offset + size)``.
    """

    address: bytes
    dtype: str
    shape: tuple[int, ...]
    encoding: str
    offset: int
    size: int


def build_partition(chunks: Sequence[EncodedChunk]) -> tuple[bytes, list[ChunkLocation]]:
    """Return the bytes of a partition file and where each chunk lies in it."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=_LIBVER) as file:
        file.attrs["mistique_format"] = FORMAT_VERSION
        group = file.create_group(CHUNK_GROUP)
        for chunk in chunks:
            _write_chunk(group, chunk)
    data = buffer.getvalue()
    return data, list(scan_partition(data))


def _write_chunk(group: h5py.Group, chunk: EncodedChunk) -> None:
    name = chunk.address.hex()
    if not chunk.payload:
        group.create_dataset(name, shape=chunk.shape, dtype=chunk.dtype, track_times=False)
        return
    filters = {} if chunk.encoding == "raw" else dict(hdf5plugin.Zstd())
    dataset = group.create_dataset(
        name,
        shape=chunk.shape,
        dtype=chunk.dtype,
        chunks=chunk.shape,
        shuffle=chunk.encoding == "shuffle",
        track_times=False,
        **filters,
    )
    dataset.id.write_direct_chunk((0,) * len(chunk.shape), chunk.payload, 0)


def scan_partition(data: bytes) -> Iterator[ChunkLocation]:
    """Yield every chunk of a partition file.

    Raises
    ------
    CorruptPartitionError
        If the bytes are not a partition of a known format version.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            version = file.attrs.get("mistique_format")
            if version != FORMAT_VERSION:
                raise CorruptPartitionError(f"partition format {version!r} is not {FORMAT_VERSION}; upgrade MISTIQUE")
            for name, dataset in file[CHUNK_GROUP].items():
                yield _location(name, dataset)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, CorruptPartitionError):
            raise
        raise CorruptPartitionError(f"the file is not a readable partition: {error}; run 'mistique check'") from error


def _location(name: str, dataset: h5py.Dataset) -> ChunkLocation:
    offset = size = 0
    encoding = "raw"
    if dataset.size:
        plist = dataset.id.get_create_plist()
        filters = tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))
        encoding = _FILTERS[filters]
        info = dataset.id.get_chunk_info(0)
        offset, size = int(info.byte_offset), int(info.size)
    dtype = np.dtype(dataset.dtype).str
    return ChunkLocation(bytes.fromhex(name), dtype, tuple(map(int, dataset.shape)), encoding, offset, size)
