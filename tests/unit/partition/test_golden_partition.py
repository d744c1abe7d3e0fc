"""Partitions written by an earlier version of this package stay readable for ever."""

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import h5py
import hdf5plugin  # noqa: F401 (registers the zstd filter)
import pytest

from mistique_core.dedup import chunk_hash
from mistique_core.partition import decode_chunk, scan_partition

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(GOLDEN.glob("partition_v*.h5"))


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """Import the script that made the files."""
    spec = importlib.util.spec_from_file_location("make_partition", GOLDEN / "make_partition.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_version_is_there() -> None:
    """A missing file must not pass silently."""
    assert "partition_v1.h5" in {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_plain_h5py_reads_it(path: Path, maker: ModuleType) -> None:
    """Every value, without our code."""
    with h5py.File(path, "r") as file:
        stored = {name: dataset[()] for name, dataset in file["chunks"].items()}
    expected = {chunk_hash(array).hex(): array for array in maker.arrays()}
    assert stored.keys() == expected.keys()
    for name, array in expected.items():
        assert stored[name].dtype == array.dtype
        assert stored[name].shape == array.shape
        assert stored[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_our_reader_reads_it(path: Path, maker: ModuleType) -> None:
    """Scan the file, then decode each byte range; addresses have not changed."""
    data = path.read_bytes()
    expected = {chunk_hash(array): array for array in maker.arrays()}
    encodings = set()
    for item in scan_partition(data):
        payload = data[item.offset : item.offset + item.size]
        back = decode_chunk(payload, item.encoding, item.dtype, item.shape)
        assert back.tobytes() == expected.pop(item.address).tobytes()
        encodings.add(item.encoding)
    assert not expected
    assert encodings == {"raw", "zstd", "shuffle"}


def test_what_is_written_today_scans_to_the_same_chunks(maker: ModuleType) -> None:
    """Today's writer makes files that hold the same chunks under the same addresses."""
    today = maker.build()
    golden = (GOLDEN / "partition_v1.h5").read_bytes()
    facts = [{(item.address, item.dtype, item.shape) for item in scan_partition(data)} for data in (today, golden)]
    assert facts[0] == facts[1]
    with h5py.File(io.BytesIO(today), "r") as file:
        assert len(file["chunks"]) == len(facts[0])
