"""The partition file: an immutable HDF5 file of independently compressed chunks.

Format version 2. In the group ``chunks``, each chunk is a dataset named by its content address in hex:

- its HDF5 chunks are the pages, filtered by [shuffle (2)] and zstd (32015);
- an attribute ``codec`` holds JSON with the ``transform`` from stored codes to values and the ``dtype`` of
  the values (see :mod:`mistique_core.partition.transform`); without it the dataset holds the values;
- the table of a dictionary is the dataset ``<address>.table`` beside it.

The optional dataset ``columns`` holds, as zstd-compressed JSON, the column versions that were first
stored together with these chunks, so that the storage half of a catalogue can be rebuilt from the files
alone. Readers fetch pages by byte range without any HDF5 call; any HDF5 program with the public zstd filter
can read every value. Format version 1 held one HDF5 chunk a dataset and no transforms; it is still read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zstandard

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.encoding import DIGITS, PAGES, Codec, EncodedChunk
from mistique_core.partition.location import ChunkLocation, Extent
from mistique_core.partition.transform import Transform, plain

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
CHUNK_GROUP = "chunks"
COLUMNS = "columns"
_TABLE = ".table"
_CODEC = b"codec"
_LIBVER = ("v110", "v110")
_ZSTD = hdf5plugin.Zstd.filter_id
_SHUFFLE = 2
_FILTERS = {(): "raw", (_ZSTD,): "zstd", (_SHUFFLE, _ZSTD): "shuffle"}
_MOST_MANIFEST_BYTES = 1 << 30


def build_partition(
    chunks: Sequence[EncodedChunk], columns: Sequence[dict[str, Any]] = ()
) -> tuple[bytes, list[ChunkLocation]]:
    """Return the bytes of a partition file and where each chunk lies in it.

    Parameters
    ----------
    chunks
        In the order in which they shall lie in the file.
    columns
        JSON documents of column versions, for :func:`read_columns`.
    """
    buffer = io.BytesIO()
    locations = []
    with h5py.File(buffer, "w", libver=_LIBVER) as file:
        file.attrs["mistique_format"] = FORMAT_VERSION
        group = file.create_group(CHUNK_GROUP)
        for chunk in chunks:
            locations.append(_write_chunk(group, chunk))
        if columns:
            text = json.dumps(list(columns), separators=(",", ":")).encode()
            packed = zstandard.ZstdCompressor(level=9, write_checksum=True).compress(text)
            file.create_dataset(COLUMNS, data=np.frombuffer(packed, np.uint8), track_times=False)
    return buffer.getvalue(), locations


def _write_chunk(group: h5py.Group, chunk: EncodedChunk) -> ChunkLocation:
    name = chunk.address.hex().encode()
    dtype = np.dtype(chunk.codec.transform.dtype)
    if not chunk.pages:
        group.create_dataset(name, shape=chunk.shape, dtype=chunk.dtype, track_times=False)
        return ChunkLocation(chunk.address, chunk.dtype, chunk.shape, PAGES, chunk.codec, ())
    extents: list[Extent] = []
    if chunk.table is not None:
        items = (chunk.codec.table_items,)
        kind = np.dtype("|u1" if chunk.codec.transform.kind == DIGITS else chunk.dtype)
        table = _create(group, name + _TABLE.encode(), kind, items, items)
        extents += _write_pages(table, (chunk.table,), items)
    stored_shape = chunk.stored_shape
    page_shape = (chunk.codec.rows, *stored_shape[1:])
    dataset = _create(group, name, dtype, stored_shape, page_shape)
    extents += _write_pages(dataset, chunk.pages, page_shape)
    if chunk.codec.transform != plain(np.empty(0, chunk.dtype)).transform:
        shape = f',"shape":{list(chunk.shape)}' if stored_shape != chunk.shape else ""
        document = f'{{"dtype":"{chunk.dtype}"{shape},"transform":{chunk.codec.transform.to_json()}}}'
        _write_attribute(dataset, _CODEC, document.encode())
    return ChunkLocation(chunk.address, chunk.dtype, chunk.shape, PAGES, chunk.codec, tuple(extents))


def _create(
    group: h5py.Group, name: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], page_shape: tuple[int, ...]
) -> h5py.h5d.DatasetID:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(page_shape)
    properties.set_obj_track_times(False)
    if dtype.itemsize > 1:
        properties.set_shuffle()
    properties.set_filter(_ZSTD, h5py.h5z.FLAG_MANDATORY, ())
    space = h5py.h5s.create_simple(shape)
    return h5py.h5d.create(group.id, name, h5py.h5t.py_create(dtype), space, properties)


def _write_pages(dataset: h5py.h5d.DatasetID, pages: Sequence[bytes], page_shape: tuple[int, ...]) -> list[Extent]:
    rest = (0,) * (len(page_shape) - 1)
    for number, page in enumerate(pages):
        dataset.write_direct_chunk((number * page_shape[0], *rest), page, 0)
    return _extents(dataset)


def _extents(dataset: h5py.h5d.DatasetID) -> list[Extent]:
    """Return (first byte, bytes) of each HDF5 chunk, in order of rows."""
    found: list[tuple[int, Extent]] = []

    def note(info: Any) -> None:
        found.append((int(info.chunk_offset[0]), (int(info.byte_offset), int(info.size))))

    dataset.chunk_iter(note)
    return [extent for _, extent in sorted(found)]


def _write_attribute(dataset: h5py.h5d.DatasetID, name: bytes, text: bytes) -> None:
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text))
    kind.set_strpad(h5py.h5t.STR_NULLPAD)
    attribute = h5py.h5a.create(dataset, name, kind, h5py.h5s.create(h5py.h5s.SCALAR))
    attribute.write(np.array(text, dtype=f"S{len(text)}"))


def scan_partition(data: bytes) -> Iterator[ChunkLocation]:
    """Yield every chunk of a partition file.

    Raises
    ------
    CorruptPartitionError
        If the bytes are not a partition of a known format version.
    """
    with _opened(data) as file:
        group = file[CHUNK_GROUP]
        for name, dataset in group.items():
            if name.endswith(_TABLE):
                continue
            yield _location_1(name, dataset) if _version(file) == 1 else _location_2(group, name, dataset)


def read_columns(data: bytes) -> list[dict[str, Any]]:
    """Return the documents of column versions that a partition file carries.

    Raises
    ------
    CorruptPartitionError
        If the bytes are not a partition of a known format version.
    """
    with _opened(data) as file:
        if COLUMNS not in file:
            return []
        try:
            text = zstandard.ZstdDecompressor().decompress(
                file[COLUMNS][()].tobytes(), max_output_size=_MOST_MANIFEST_BYTES
            )
            return list(json.loads(text))
        except zstandard.ZstdError as error:
            raise CorruptPartitionError(
                f"a list of columns does not decompress ({error}); run 'mistique check'"
            ) from error


class _opened:
    """Open the bytes of a partition; whatever HDF5 says of damaged ones becomes one error."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> h5py.File:
        try:
            self._file = h5py.File(io.BytesIO(self._data), "r")
        except OSError as error:
            raise _unreadable(error) from error
        version = _version(self._file)
        if version not in READABLE_VERSIONS:
            self._file.close()
            raise CorruptPartitionError(
                f"partition format {version!r} is not one of {READABLE_VERSIONS}; upgrade MISTIQUE"
            )
        return self._file

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._file.close()
        if isinstance(error, (OSError, KeyError, RuntimeError, ValueError, TypeError)) and not isinstance(
            error, CorruptPartitionError
        ):
            raise _unreadable(error) from error


def _unreadable(error: BaseException) -> CorruptPartitionError:
    return CorruptPartitionError(f"the file is not a readable partition: {error}; run 'mistique check'")


def _version(file: h5py.File) -> Any:
    return file.attrs.get("mistique_format")


def _filters(dataset: h5py.Dataset) -> str:
    properties = dataset.id.get_create_plist()
    return _FILTERS[tuple(properties.get_filter(number)[0] for number in range(properties.get_nfilters()))]


def _location_1(name: str, dataset: h5py.Dataset) -> ChunkLocation:
    encoding = "raw"
    extents: tuple[Extent, ...] = ()
    if dataset.size:
        encoding = _filters(dataset)
        extents = tuple(_extents(dataset.id))
    dtype = np.dtype(dataset.dtype).str
    return ChunkLocation(bytes.fromhex(name), dtype, tuple(map(int, dataset.shape)), encoding, None, extents)


def _location_2(group: h5py.Group, name: str, dataset: h5py.Dataset) -> ChunkLocation:
    shape = tuple(map(int, dataset.shape))
    dtype = np.dtype(dataset.dtype).str
    transform = Transform("plain", dtype)
    if _CODEC.decode() in dataset.attrs:
        document = json.loads(bytes(dataset.attrs[_CODEC.decode()]))
        dtype, transform = np.dtype(document["dtype"]).str, Transform.from_json(json.dumps(document["transform"]))
        shape = tuple(map(int, document.get("shape", shape)))
    if not dataset.size:
        return ChunkLocation(bytes.fromhex(name), dtype, shape, PAGES, Codec(transform, 1), ())
    extents: list[Extent] = []
    items = 0
    if name + _TABLE in group:
        table = group[name + _TABLE]
        items = len(table)
        extents += _extents(table.id)
    extents += _extents(dataset.id)
    return ChunkLocation(
        bytes.fromhex(name), dtype, shape, PAGES, Codec(transform, int(dataset.chunks[0]), items), tuple(extents)
    )
