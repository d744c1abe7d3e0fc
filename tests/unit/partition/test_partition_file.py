"""A partition is plain HDF5: any program with the public filters reads every value."""

import io
import json
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import delta_scale, make_delta
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import (
    FORMAT_VERSION,
    EncodedChunk,
    build_partition,
    decode_location,
    encode_chunk,
    encode_delta,
    read_columns,
    scan_partition,
)
from tests.unit.partition.chunk_values import columns, tensors
from tests.unit.partition.plain_reader import read_all

RANDOM = np.random.default_rng(5)
ARRAYS = [
    RANDOM.normal(size=500).round(1),
    RANDOM.integers(0, 256, 33).astype("u1"),
    np.zeros(1000, "i8"),
    np.array([7], "i4"),
    RANDOM.normal(size=(20, 2)).astype("f4"),
    np.array([np.nan, -0.0], "f2"),
    np.empty(0, "u1"),
    np.empty((0, 3), "f8"),
    np.empty((5, 0), "f4"),
    RANDOM.normal(size=20_000),
    RANDOM.choice(RANDOM.normal(size=9), 20_000),
    RANDOM.poisson(0.7, (4, 50, 30)).astype("i1"),
]
CHUNKS = [encode_chunk(chunk_hash(array), array, 3) for array in ARRAYS]
COLUMNS: list[dict[str, Any]] = [
    {"address": "ab", "rows": 3},
    {"address": "Grüße \U0001f600", "chunks": [["v", 0, "c"]]},
]
DATA, LOCATIONS = build_partition(CHUNKS, COLUMNS)


def decode_all(data: bytes) -> list[np.ndarray]:
    """Return the array of every chunk."""
    return [decode_location(location, data, 0) for location in scan_partition(data)]


@settings(deadline=None, max_examples=120)
@given(st.lists(columns(sizes=(0, 1, 63, 64, 65, 300, 9_000)) | tensors(), max_size=6))
def test_round_trip(arrays: list[np.ndarray]) -> None:
    """Encode, build, scan, decode: every bit, and the scan finds what the builder said."""
    unique = {chunk_hash(array): array for array in arrays}
    data, locations = build_partition([encode_chunk(address, array, 3) for address, array in unique.items()])
    assert sorted(scan_partition(data), key=lambda item: item.address) == sorted(
        locations, key=lambda item: item.address
    )
    for location in locations:
        array = unique.pop(location.address)
        back = decode_location(location, data, 0)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == array.tobytes()
        part = data[location.offset : location.end]
        assert decode_location(location, part).tobytes() == array.tobytes()
    assert not unique


@settings(deadline=None, max_examples=60)
@given(st.lists(columns(sizes=(0, 1, 64, 300)) | tensors(), max_size=4))
def test_plain_h5py_reads_every_value(arrays: list[np.ndarray]) -> None:
    """No code of ours takes part in this read."""
    unique = {chunk_hash(array).hex(): array for array in arrays}
    data, _ = build_partition([encode_chunk(chunk_hash(array), array, 3) for array in unique.values()])
    found = read_all(data)
    assert found.keys() == unique.keys()
    for name, array in unique.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_plain_h5py_reads_differences(data: st.DataObject) -> None:
    """Of chunks that are alike, and of any others."""
    base = data.draw((columns(sizes=(1, 64, 300)) | tensors()).filter(lambda array: array.size > 0))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    kept = random.random(base.shape) < data.draw(st.sampled_from([0.0, 0.9, 1.0]))
    other = np.where(kept, base, base.reshape(-1)[::-1].reshape(base.shape))
    scale = data.draw(st.sampled_from([0, delta_scale(base, other)]))
    difference = make_delta(base, other, scale)
    assert difference is not None
    whole = encode_chunk(chunk_hash(other), other, 3)
    made: EncodedChunk = encode_delta(whole, other, chunk_hash(base), difference, scale, 3)
    if made.address == chunk_hash(base):
        return
    file, locations = build_partition([encode_chunk(chunk_hash(base), base, 3), made])
    assert {item.address: item for item in scan_partition(file)} == {item.address: item for item in locations}
    assert read_all(file)[made.address.hex()].tobytes() == other.tobytes()


def test_byte_ranges_hold_the_frames() -> None:
    """The frames of each chunk lie in order, and no two overlap."""
    chunks = {chunk.address: chunk for chunk in CHUNKS}
    end = 0
    for location in LOCATIONS:
        chunk = chunks.pop(location.address)
        frames = [] if chunk.table is None else [chunk.table]
        frames += chunk.pages
        assert [DATA[offset : offset + size] for offset, size in location.extents] == frames
        assert (location.dtype, location.shape, location.codec) == (chunk.dtype, chunk.shape, chunk.codec)
        assert (location.size, location.encoding) == (chunk.stored_bytes, "pages")
        for offset, size in location.extents:
            assert offset >= end
            end = offset + size
    assert not chunks


def test_the_same_chunks_give_the_same_file() -> None:
    """Files are named by their content, so a file must not hold times or addresses."""
    assert build_partition(CHUNKS, COLUMNS)[0] == DATA


def test_columns_round_trip() -> None:
    """The documents of column versions, also where there is no chunk, and none."""
    assert read_columns(DATA) == COLUMNS
    assert read_columns(build_partition([], COLUMNS)[0]) == COLUMNS
    assert read_columns(build_partition(CHUNKS)[0]) == []


@pytest.mark.parametrize("data", [b"", b"not hdf5", DATA[:700], DATA[: len(DATA) // 2]], ids=len)
def test_other_files_are_refused(data: bytes) -> None:
    """Neither foreign nor truncated files are partitions."""
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(data))
    with pytest.raises(CorruptPartitionError):
        read_columns(data)


def write(version: object, name: str | None, **more: Any) -> bytes:
    """Return an HDF5 file that differs from a partition in one way."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if version is not None:
            file.attrs["mistique_format"] = version
        if name is not None:
            file.create_group("chunks").create_dataset(name, **{"data": np.arange(3), **more})
    return buffer.getvalue()


VERSIONS = [None, 0, FORMAT_VERSION + 1, 2.0, "2", [1, 2], [[2]], np.empty(0, "i8")]


@pytest.mark.parametrize("version", VERSIONS, ids=repr)
def test_unknown_formats_are_refused(version: object) -> None:
    """A newer format says so instead of being misread."""
    data = write(version, "00" * 32)
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(data))
    with pytest.raises(CorruptPartitionError):
        read_columns(data)


def test_a_partition_without_its_group_is_refused() -> None:
    """The version alone makes no partition."""
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(write(FORMAT_VERSION, None)))


ADDRESS = "0a" * 32
ZSTD = {"chunks": (3,), **hdf5plugin.Zstd()}
FOREIGN: dict[str, dict[str, Any]] = {
    "not compressed": {},
    "no filters": {"chunks": (3,)},
    "another filter": {"chunks": (3,), "compression": "gzip"},
    "not shuffled": {"data": np.arange(3), **ZSTD},
    "shuffled bytes": {"data": np.arange(3, dtype="u1"), "shuffle": True, **ZSTD},
    "pages across a row": {"data": np.zeros((4, 4)), "shuffle": True, "chunks": (2, 2), **hdf5plugin.Zstd()},
    "pages that are not there": {"data": None, "shape": (9,), "dtype": "<i8", "shuffle": True, **ZSTD},
    "no rows": {"data": None, "shape": (), "dtype": "<i8"},
    "big-endian": {"data": np.arange(3).astype(">i8"), "shuffle": True, **ZSTD},
    "texts": {"data": ["a", "b"]},
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["00", "zz", ADDRESS[:-2], ADDRESS + "00"])
def test_names_that_are_no_addresses_are_refused(name: str, version: int) -> None:
    """A dataset that no writer of ours made is no chunk."""
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(write(version, name, shuffle=True, **ZSTD)))


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_datasets_are_refused(kind: str) -> None:
    """What the byte ranges of a dataset would be misread as."""
    data = write(FORMAT_VERSION, ADDRESS, **FOREIGN[kind])
    with pytest.raises(CorruptPartitionError):
        decode_all(data)


CODECS = {
    "no JSON": "{",
    "no object": "[]",
    "no transform": '{"dtype":"<i8"}',
    "no dtype": '{"transform":{"kind":"plain","dtype":"<i8"}}',
    "another width": '{"dtype":"<f8","transform":{"kind":"decimal","dtype":"|u1"}}',
    "unknown": '{"dtype":"<i8","transform":{"kind":"magic","dtype":"<i8"}}',
    "no table": '{"dtype":"<f8","transform":{"kind":"dictionary","dtype":"<u8"}}',
    "another shape": '{"dtype":"<i8","shape":[4],"transform":{"kind":"plain","dtype":"<i8"}}',
    "a shape that is none": '{"dtype":"<i8","shape":"abc","transform":{"kind":"plain","dtype":"<i8"}}',
    "an object": '{"dtype":"O","transform":{"kind":"plain","dtype":"<i8"}}',
}


@pytest.mark.parametrize("kind", CODECS)
def test_damaged_codecs_are_refused(kind: str) -> None:
    """An attribute that does not fit its dataset."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["mistique_format"] = FORMAT_VERSION
        data = np.arange(3).astype("<u8" if "u8" in CODECS[kind] or "u1" in CODECS[kind] else "<i8")
        made = file.create_group("chunks").create_dataset(ADDRESS, data=data, shuffle=True, **ZSTD)
        made.attrs["codec"] = np.bytes_(CODECS[kind])
    with pytest.raises(CorruptPartitionError):
        decode_all(buffer.getvalue())


def with_columns(data: Any) -> bytes:
    """Return a partition with this as its dataset of columns."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["mistique_format"] = FORMAT_VERSION
        file.create_group("chunks")
        file.create_dataset("columns", **data)
    return buffer.getvalue()


def packed(text: bytes, **options: Any) -> dict[str, Any]:
    """Return arguments of a dataset that holds a frame."""
    return {"data": np.frombuffer(zstandard.ZstdCompressor(**{"write_checksum": True, **options}).compress(text), "u1")}


HUGE = b"\x28\xb5\x2f\xfd" + bytes([0b1100_0100]) + b"\x50" + (1 << 50).to_bytes(8, "little") + bytes(20)
MANIFESTS: dict[str, dict[str, Any]] = {
    "no frame": {"data": np.arange(9, dtype="u1")},
    "nothing": {"data": np.empty(0, "u1")},
    "no JSON": packed(b"[{"),
    "an object": packed(b"{}"),
    "a list of numbers": packed(b"[1]"),
    "no UTF-8": packed(b"\xff\xfe"),
    "too deep": packed(b"[" * 100_000),
    "no checksum": packed(json.dumps(COLUMNS).encode(), write_checksum=False),
    "a petabyte promised": {"data": np.frombuffer(HUGE, "u1")},
    "numbers": {"data": np.arange(5.0)},
    "a single number": {"data": np.uint8(3)},
    "more than the file": {"data": None, "shape": (1 << 40,), "dtype": "u1", "chunks": (1024,)},
    "texts": {"data": ["[]"]},
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_damaged_columns_are_refused(kind: str) -> None:
    """Whatever is not the list that was written, without reading or allocating what it promises."""
    with pytest.raises(CorruptPartitionError):
        read_columns(with_columns(MANIFESTS[kind]))
