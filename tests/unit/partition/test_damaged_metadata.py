"""HDF5's own bytes, damaged in any way: a typed error or a scan; no crash, no hang, no memory, no wrong value."""

import io
import json
from collections.abc import Callable, Iterator

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.dedup import chunk_hash
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import build_partition, encode_chunk, scan_partition
from tests.unit.partition.scan_worker import ScanWorker

RANDOM = np.random.default_rng(1)
ARRAYS = [
    RANDOM.normal(size=70).round(1),
    RANDOM.integers(0, 9, 40).astype("u1"),
    np.zeros(100, "i8"),
    RANDOM.choice(RANDOM.normal(size=3), 100),
    RANDOM.normal(size=(6, 2)).astype("f4"),
    10**9 + np.arange(80),
    RANDOM.poisson(0.7, (2, 50, 60)).astype("i1"),
    RANDOM.normal(size=20_000).round(0),
    *(RANDOM.normal(size=5) for _ in range(12)),
    np.empty(0, "u1"),
]
COLUMNS = [{"address": "ab", "rows": 3}]
DATA, LOCATIONS = build_partition([encode_chunk(chunk_hash(array), array, 3) for array in ARRAYS], COLUMNS)
ADDRESSES = {chunk_hash(array).hex() for array in ARRAYS if array.size}
_OWN = np.ones(len(DATA), bool)
for _offset, _size in (extent for location in LOCATIONS for extent in location.extents):
    _OWN[_offset : _offset + _size] = False
METADATA = np.flatnonzero(_OWN).tolist()
MOST_BYTES = 1 << 30


@pytest.fixture(scope="module")
def worker() -> Iterator[ScanWorker]:
    """Return a process that scans."""
    made = ScanWorker()
    yield made
    made.close()


def check(worker: ScanWorker, data: bytes) -> str:
    """Scan, and fail unless it ends as it should."""
    scan, right, columns, memory = worker.scan(data)
    assert scan in ("whole", "refused")
    assert set(right) <= ADDRESSES
    assert columns in ("refused", "[]", repr(COLUMNS))
    assert memory < MOST_BYTES
    return scan


def test_the_good_file(worker: ScanWorker) -> None:
    """Every chunk and the columns are found, or the tests below would not show anything."""
    scan, right, columns, _ = worker.scan(DATA)
    assert scan == "whole"
    assert sorted(right) == sorted(ADDRESSES)
    assert columns == repr(COLUMNS)


def test_single_bytes(worker: ScanWorker) -> None:
    """A sample of all bytes of metadata, other ones for each mask."""
    ends = {
        check(worker, DATA[:position] + bytes([DATA[position] ^ mask]) + DATA[position + 1 :])
        for start, mask in enumerate((0x01, 0x10, 0x80, 0xFF))
        for position in METADATA[start * 7 :: 31]
    }
    assert ends == {"whole", "refused"}


EDITS = st.lists(
    st.tuples(st.sampled_from(METADATA), st.binary(min_size=1, max_size=12))
    | st.tuples(
        st.sampled_from(METADATA), st.sampled_from([b"\xff" * 8, b"\x00" * 8, (1 << 40).to_bytes(8, "little")])
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=400)
@given(EDITS)
def test_any_bytes(worker: ScanWorker, edits: list[tuple[int, bytes]]) -> None:
    """Some bytes replaced by any others."""
    data = bytearray(DATA)
    for position, replaced in edits:
        data[position : position + len(replaced)] = replaced[: len(data) - position]
    check(worker, bytes(data))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(DATA)), st.binary(max_size=40), st.integers(0, len(DATA)))
def test_cut_and_shifted(worker: ScanWorker, cut: int, inserted: bytes, start: int) -> None:
    """The file cut off, with bytes put in between, or without some."""
    check(worker, DATA[:cut])
    check(worker, DATA[:cut] + inserted + DATA[start:])


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_anything_after_a_signature(worker: ScanWorker, data: bytes) -> None:
    """Bytes that only begin as an HDF5 file does."""
    assert check(worker, b"\x89HDF\r\n\x1a\n" + data) == "refused"


def forged(change: Callable[[h5py.File], None]) -> bytes:
    """Return the good file after a change that HDF5 itself makes."""
    held = io.BytesIO(DATA)
    with h5py.File(held, "r+") as file:
        change(file)
    return held.getvalue()


def first_with_a_codec(file: h5py.File) -> h5py.Dataset:
    return next(file["chunks"][name] for name in file["chunks"] if "codec" in file["chunks"][name].attrs)


def test_attributes_whose_values_lie_in_a_heap_are_not_read(worker: ScanWorker) -> None:
    """A damaged heap leads HDF5 in circles: such an attribute is refused by its type, whatever it holds."""

    def version(file: h5py.File) -> None:
        del file.attrs["mistique_format"]
        file.attrs["mistique_format"] = "2"

    def codec(file: h5py.File) -> None:
        dataset = first_with_a_codec(file)
        text = bytes(dataset.attrs["codec"]).decode()
        del dataset.attrs["codec"]
        dataset.attrs["codec"] = text

    for change, name in ((version, "mistique_format"), (codec, "codec")):
        data = forged(change)
        assert check(worker, data) == "refused"
        with pytest.raises(CorruptPartitionError, match=f"attribute '{name}' is neither"):
            list(scan_partition(data))


@pytest.mark.parametrize("dtype", ["9" * 5_000 + ",", "f8,f8", "O", ["<f8"], None, {"names": ["a"], "formats": ["O"]}])
def test_types_that_no_chunk_has(worker: ScanWorker, dtype: object) -> None:
    """NumPy would read digits without end, records and objects out of the name of a type."""

    def change(file: h5py.File) -> None:
        dataset = first_with_a_codec(file)
        document = json.loads(bytes(dataset.attrs["codec"]))
        dataset.attrs.modify("codec", np.bytes_(json.dumps({**document, "dtype": dtype}).encode()))

    assert check(worker, forged(change)) == "refused"
