"""A partition is plain HDF5: any program with the public filters reads every value."""

import io

import h5py
import hdf5plugin  # noqa: F401 (registers the zstd filter)
import numpy as np
import pytest

from mistique_core.dedup import chunk_hash
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import FORMAT_VERSION, build_partition, decode_chunk, encode_chunk, scan_partition

RANDOM = np.random.default_rng(5)
ARRAYS = [
    RANDOM.normal(size=500).round(1),
    RANDOM.integers(0, 256, 33).astype("u1"),
    np.zeros(1000, "i8"),
    np.array([7], "i4"),
    RANDOM.normal(size=(20, 2)).astype("f4"),
    np.array([np.nan, -0.0], "f2"),
    np.empty(0, "u1"),
]
CHUNKS = [encode_chunk(chunk_hash(array), array, 3) for array in ARRAYS]
DATA, LOCATIONS = build_partition(CHUNKS)


def test_plain_h5py_reads_every_value() -> None:
    """No code of ours takes part in this read."""
    with h5py.File(io.BytesIO(DATA), "r") as file:
        assert file.attrs["mistique_format"] == FORMAT_VERSION
        assert len(file["chunks"]) == len(ARRAYS)
        for array in ARRAYS:
            dataset = file["chunks"][chunk_hash(array).hex()]
            assert dataset.dtype == array.dtype
            assert dataset.shape == array.shape
            assert dataset[()].tobytes() == array.tobytes()


def test_byte_ranges_hold_the_payloads() -> None:
    """Each chunk is one contiguous range, and the ranges do not overlap."""
    payloads = {chunk.address: chunk for chunk in CHUNKS}
    end = 0
    for location in sorted(LOCATIONS, key=lambda item: item.offset):
        chunk = payloads.pop(location.address)
        assert DATA[location.offset : location.offset + location.size] == chunk.payload
        assert (location.dtype, location.shape, location.encoding) == (chunk.dtype, chunk.shape, chunk.encoding)
        if location.size:
            assert location.offset >= end
            end = location.offset + location.size
    assert not payloads


def test_ranges_decode_without_hdf5() -> None:
    """The hot path needs the range and the facts of the location only."""
    by_address = {chunk_hash(array): array for array in ARRAYS}
    for item in LOCATIONS:
        payload = DATA[item.offset : item.offset + item.size]
        back = decode_chunk(payload, item.encoding, item.dtype, item.shape)
        assert back.tobytes() == by_address[item.address].tobytes()


def test_the_same_chunks_give_the_same_file() -> None:
    """Files are named by their content, so a file must not hold times or addresses."""
    assert build_partition(CHUNKS)[0] == DATA


@pytest.mark.parametrize("data", [b"", b"not hdf5", DATA[:700], DATA[: len(DATA) // 2]], ids=len)
def test_other_files_are_refused(data: bytes) -> None:
    """Neither foreign nor truncated files are partitions."""
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(data))


def write(version: int | None, name: str | None) -> bytes:
    """Return an HDF5 file that differs from a partition in one way."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if version is not None:
            file.attrs["mistique_format"] = version
        if name is not None:
            file.create_group("chunks").create_dataset(name, data=np.arange(3))
    return buffer.getvalue()


@pytest.mark.parametrize(("version", "name"), [(None, "00"), (FORMAT_VERSION + 1, "00"), (FORMAT_VERSION, None)])
def test_unknown_formats_are_refused(version: int | None, name: str | None) -> None:
    """A newer format says so instead of being misread."""
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(write(version, name)))


@pytest.mark.parametrize("name", ["00", "zz"])
def test_foreign_datasets_are_refused(name: str) -> None:
    """A dataset that no writer of ours made is no chunk."""
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(write(FORMAT_VERSION, name)))
