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
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zstandard

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.claims import check_array, check_codes, most_array_bytes
from mistique_core.partition.encoding import PAGES, Codec, EncodedChunk
from mistique_core.partition.location import ChunkLocation, Extent, check_of
from mistique_core.partition.memory_file import MemoryFile
from mistique_core.partition.pages import decompress_page
from mistique_core.partition.transform import PACKED_WHOLE, Transform, table_dtype

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
CHUNK_GROUP = "chunks"
COLUMNS = "columns"
_TABLE = ".table"
_CODEC = b"codec"
_ZSTD = hdf5plugin.Zstd.filter_id
_SHUFFLE = 2
_FILTERS = {(): "raw", (_ZSTD,): "zstd", (_SHUFFLE, _ZSTD): "shuffle"}
_MOST_MANIFEST_BYTES = 1 << 30
_ADDRESS_BYTES = 32
# What h5py, NumPy and json raise on damaged metadata; the last one for sizes that no memory holds.
_DAMAGE = (
    OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError, zstandard.ZstdError,
    MemoryError,
)  # fmt: skip


class PartitionBuilder:
    """A partition file in memory, to which chunks are added one by one.

    Attributes
    ----------
    stored_bytes
        Bytes of the chunks that were added.
    """

    def __init__(self) -> None:
        self.stored_bytes = 0
        self._memory = MemoryFile()
        self._file = self._memory.file
        self._file.attrs["mistique_format"] = FORMAT_VERSION
        self._datasets = _Datasets(self._file.create_group(CHUNK_GROUP))

    def add(self, chunk: EncodedChunk) -> ChunkLocation:
        """Write a chunk after those that are there, and return where it lies."""
        location = self._datasets.write(chunk)
        self.stored_bytes += chunk.stored_bytes
        return location

    def finish(self, columns: Sequence[dict[str, Any]] = ()) -> bytes:
        """Return the bytes of the file; `columns` as in :func:`build_partition`. Nothing can be added afterwards."""
        if columns:
            text = json.dumps(list(columns), separators=(",", ":")).encode()
            packed = zstandard.ZstdCompressor(level=9, write_checksum=True).compress(text)
            self._file.create_dataset(COLUMNS, data=np.frombuffer(packed, np.uint8), track_times=False)
        return self._memory.finish()

    def close(self) -> None:
        """Let go of the file; what was added is lost unless it was finished."""
        self._file.close()


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
    builder = PartitionBuilder()
    locations = [builder.add(chunk) for chunk in chunks]
    return builder.finish(columns), locations


class _Datasets:
    """Creates the datasets of one file; their types, spaces and properties are made once, which is half of the time."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group
        self._types: dict[str, h5py.h5t.TypeID] = {}
        self._spaces: dict[tuple[int, ...], h5py.h5s.SpaceID] = {}
        self._properties: dict[tuple[tuple[int, ...], bool], h5py.h5p.PropDCID] = {}
        self._texts: dict[int, h5py.h5t.TypeID] = {}
        self._scalar = h5py.h5s.create(h5py.h5s.SCALAR)

    def write(self, chunk: EncodedChunk) -> ChunkLocation:
        """Write one chunk, and say where it lies."""
        name = chunk.address.hex().encode()
        if not chunk.pages:
            self._group.create_dataset(name, shape=chunk.shape, dtype=chunk.dtype, track_times=False)
            return ChunkLocation(chunk.address, chunk.dtype, chunk.shape, PAGES, chunk.codec, ())
        extents: list[Extent] = []
        if chunk.table is not None:
            items = (chunk.codec.table_items,)
            kind = table_dtype(chunk.codec.transform, chunk.dtype)
            table = self._create(name + _TABLE.encode(), kind, items, items)
            extents += _write_pages(table, (chunk.table,), items)
        stored_shape, transform = chunk.stored_shape, chunk.codec.transform
        page_shape = (chunk.codec.rows * transform.bits // 8, *stored_shape[1:])
        dataset = self._create(name, transform.dtype, stored_shape, page_shape)
        extents += _write_pages(dataset, chunk.pages, page_shape)
        if transform != Transform("plain", chunk.dtype):
            shape = f',"shape":{list(chunk.shape)}' if stored_shape != chunk.shape else ""
            document = f'{{"dtype":"{chunk.dtype}"{shape},"transform":{transform.to_json()}}}'
            self._write_attribute(dataset, document.encode())
        frames = chunk.pages if chunk.table is None else (chunk.table, *chunk.pages)
        checks = tuple(map(check_of, frames))
        return ChunkLocation(chunk.address, chunk.dtype, chunk.shape, PAGES, chunk.codec, tuple(extents), checks)

    def _create(
        self, name: bytes, dtype: str, shape: tuple[int, ...], page_shape: tuple[int, ...]
    ) -> h5py.h5d.DatasetID:
        kind = self._types.get(dtype)
        if kind is None:
            kind = self._types[dtype] = h5py.h5t.py_create(np.dtype(dtype))
        space = self._spaces.get(shape)
        if space is None:
            space = self._spaces[shape] = h5py.h5s.create_simple(shape)
        key = (page_shape, np.dtype(dtype).itemsize > 1)
        if key not in self._properties:
            self._properties[key] = _properties(*key)
        return h5py.h5d.create(self._group.id, name, kind, space, self._properties[key])

    def _write_attribute(self, dataset: h5py.h5d.DatasetID, text: bytes) -> None:
        kind = self._texts.get(len(text))
        if kind is None:
            kind = self._texts[len(text)] = h5py.h5t.C_S1.copy()
            kind.set_size(len(text))
            kind.set_strpad(h5py.h5t.STR_NULLPAD)
        attribute = h5py.h5a.create(dataset, _CODEC, kind, self._scalar)
        attribute.write(np.frombuffer(text, dtype=f"S{len(text)}"), kind)


def _properties(page_shape: tuple[int, ...], is_shuffled: bool) -> h5py.h5p.PropDCID:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(page_shape)
    properties.set_obj_track_times(False)
    if is_shuffled:
        properties.set_shuffle()
    properties.set_filter(_ZSTD, h5py.h5z.FLAG_MANDATORY, ())
    return properties


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


def scan_partition(data: bytes) -> Iterator[ChunkLocation]:
    """Yield every chunk of a partition file.

    The addresses are those that the file claims: what is decoded has to be hashed before it is believed.

    Raises
    ------
    CorruptPartitionError
        If the bytes are not a partition of a known format version, or contradict themselves.
    """
    with _opened(data) as file:
        group = _own(file, CHUNK_GROUP)
        most_bytes = most_array_bytes(len(data))
        read = _location_1 if _version(file) == 1 else _location_2
        for name in group:
            if name.endswith(_TABLE):
                continue
            dataset = _own(group, name)
            location = read(group, name, dataset, most_bytes)
            ends = max(map(sum, location.extents), default=0)
            if len(location.address) != _ADDRESS_BYTES or ends > len(data):
                raise _unreadable(f"chunk {name[:12]!r} lies outside of the file or has no address")
            yield _with_checks(location, data)


def _with_checks(location: ChunkLocation, data: bytes) -> ChunkLocation:
    """Return a location with the checksums that its frames have in the file."""
    if location.encoding != PAGES:
        return location
    checks = tuple(check_of(data[offset : offset + size]) for offset, size in location.extents)
    return replace(location, checks=checks)


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
        dataset = _own(file, COLUMNS)
        if dataset.dtype != np.uint8 or dataset.ndim != 1 or dataset.size > len(data):
            raise _unreadable(f"its list of columns is {dataset.dtype.str} {dataset.shape}")
        packed = dataset[()].tobytes()
        promised = zstandard.frame_content_size(packed)
        if not 0 <= promised <= _MOST_MANIFEST_BYTES:
            raise _unreadable(f"its list of columns promises {promised} bytes")
        documents = json.loads(decompress_page(packed, promised))
        if not isinstance(documents, list) or not all(isinstance(item, dict) for item in documents):
            raise _unreadable("its list of columns is none")
        return documents


def _own(group: h5py.Group, name: str) -> Any:
    """Return what a group holds under a name, and not what a link to another file or place would lead to."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise _unreadable(f"{name[:12]!r} is a link")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.external is not None or found.is_virtual):
        raise _unreadable(f"the values of {name[:12]!r} lie in another file")
    return found


@contextmanager
def _opened(data: bytes) -> Iterator[h5py.File]:
    """Open the bytes of a partition; whatever HDF5 says of damaged ones becomes one error."""
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            version = _version(file)
            if not isinstance(version, np.integer) or version not in READABLE_VERSIONS:
                raise CorruptPartitionError(
                    f"partition format {version!r} is not one of {READABLE_VERSIONS}; upgrade MISTIQUE"
                )
            yield file
    except CorruptPartitionError:
        raise
    except _DAMAGE as error:
        raise _unreadable(error) from error


def _unreadable(reason: object) -> CorruptPartitionError:
    line = " ".join(str(reason).split())[:200]
    return CorruptPartitionError(f"the file is not a readable partition: {line}; run 'mistique check'")


def _version(file: h5py.File) -> Any:
    return _attribute(file, b"mistique_format")


def _attribute(owner: Any, name: bytes) -> Any:
    """Return an attribute, or ``None``: one number or text that lies beside its name, as this format writes them.

    Others are not read. The values of texts of any length lie in a heap of the file, and a damaged one leads HDF5 in
    circles from which no process comes back.
    """
    if not h5py.h5a.exists(owner.id, name):
        return None
    kind = h5py.h5a.open(owner.id, name).get_type()
    family = kind.get_class()
    if family != h5py.h5t.INTEGER and (family != h5py.h5t.STRING or kind.is_variable_str()):
        raise _unreadable(f"its attribute {name.decode()!r} is neither a number nor a text of fixed length")
    return owner.attrs[name.decode()]


def _filters(dataset: h5py.Dataset) -> str:
    properties = dataset.id.get_create_plist()
    return _FILTERS[tuple(properties.get_filter(number)[0] for number in range(properties.get_nfilters()))]


def _location_1(_group: h5py.Group, name: str, dataset: h5py.Dataset, most_bytes: int) -> ChunkLocation:
    check_array(_dtype(dataset), _shape(dataset), most_bytes)
    encoding = "raw"
    extents: tuple[Extent, ...] = ()
    if dataset.size:
        encoding = _filters(dataset)
        extents = tuple(_extents(dataset.id))
        if len(extents) != 1:
            raise _unreadable(f"chunk {name[:12]} has {len(extents)} pieces")
    return ChunkLocation(bytes.fromhex(name), _dtype(dataset), _shape(dataset), encoding, None, extents)


def _location_2(group: h5py.Group, name: str, dataset: h5py.Dataset, most_bytes: int) -> ChunkLocation:
    address = bytes.fromhex(name)
    shape, dtype = _shape(dataset), _dtype(dataset)
    transform = Transform("plain", dtype)
    codec = _attribute(dataset, _CODEC)
    if codec is not None:
        document = json.loads(bytes(codec))
        dtype, transform = document["dtype"], Transform.from_json(json.dumps(document["transform"]))
        shape = tuple(document.get("shape", shape))
    check_array(dtype, shape, most_bytes)
    if transform.dtype != _dtype(dataset):
        raise _unreadable(f"chunk {name[:12]} is not the {transform.dtype} that it claims to be")
    check_codes(transform, dtype, shape, _shape(dataset))
    if not dataset.size:
        return ChunkLocation(address, dtype, shape, PAGES, Codec(transform, 1), ())
    extents: list[Extent] = []
    items = 0
    if transform.kind in ("dictionary", "delta", *PACKED_WHOLE) and name + _TABLE in group:
        table = _own(group, name + _TABLE)
        items = len(table)
        if _dtype(table) != table_dtype(transform, dtype) or table.chunks != (items,):
            raise _unreadable(f"the table of chunk {name[:12]} is {table.dtype.str} {table.shape}")
        check_array(_dtype(table), _shape(table), most_bytes)
        extents += _checked_pages(table)
    extents += _checked_pages(dataset)
    rows = int(dataset.chunks[0]) * 8 // transform.bits
    return ChunkLocation(address, dtype, shape, PAGES, Codec(transform, rows, items), tuple(extents))


def _dtype(dataset: h5py.Dataset) -> str:
    return str(np.dtype(dataset.dtype).str)


def _shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    return tuple(map(int, dataset.shape))


def _checked_pages(dataset: h5py.Dataset) -> list[Extent]:
    """Return the extents of all pages of a dataset whose layout and filters are those of this format."""
    shape, page_shape = dataset.shape, dataset.chunks
    extents = _extents(dataset.id)
    filters = "zstd" if dataset.dtype.itemsize == 1 else "shuffle"
    complete = page_shape[1:] == shape[1:] and len(extents) == -(-shape[0] // page_shape[0]) > 0
    complete = complete and page_shape[0] <= shape[0]
    if not complete or _filters(dataset) != filters:
        raise _unreadable(f"{len(extents)} pages of {page_shape} do not make {shape}, or have other filters")
    return extents
