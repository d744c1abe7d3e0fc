"""Partitions written by an earlier version of this package stay readable for ever."""

import importlib.util
import io
import json
from functools import partial
from pathlib import Path
from types import ModuleType

import h5py
import hdf5plugin  # noqa: F401 (registers the zstd filter)
import numpy as np
import pytest
from blake3 import blake3

from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import apply_delta
from mistique_core.partition import FORMAT_VERSION, ChunkLocation, decode_chunk, read_columns, scan_partition
from tests.unit.partition.plain_reader import read_all

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = {
    "partition_v1.h5": "fa71aef6f302fddd596923d989f40e59b3e360d3d5849c1e6da9c3354d90059e",
    "partition_v2.h5": "964f04598c6574dc16270b6bb92e296767d79e31741be3337861e9d436a12a35",
}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """Import the script that made the files."""
    spec = importlib.util.spec_from_file_location("make_partition", GOLDEN / "make_partition.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arrays_of(maker: ModuleType, name: str) -> dict[str, np.ndarray]:
    """Return address -> array of all that a file holds."""
    arrays = maker.first_arrays() if name == "partition_v1.h5" else maker.arrays()
    return {chunk_hash(array).hex(): array for array in arrays}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Fail unless names, dtypes, shapes and every bit are equal."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_the_files_are_those_that_were_committed() -> None:
    """One for every version of the format, and none was ever written again."""
    found = {path.name: blake3(path.read_bytes()).hexdigest() for path in GOLDEN.glob("*.h5")}
    assert found == FILES
    assert len(FILES) == FORMAT_VERSION


def test_plain_h5py_reads_the_first_version(maker: ModuleType) -> None:
    """Its datasets hold the values themselves."""
    with h5py.File(GOLDEN / "partition_v1.h5", "r") as file:
        found = {name: dataset[()] for name, dataset in file["chunks"].items()}
    assert_same(found, arrays_of(maker, "partition_v1.h5"))


def test_formulas_read_the_second_version(maker: ModuleType) -> None:
    """h5py, NumPy and what the documentation says of each transform; nothing of this package."""
    found = read_all((GOLDEN / "partition_v2.h5").read_bytes())
    assert_same(found, arrays_of(maker, "partition_v2.h5"))


@pytest.mark.parametrize("name", FILES)
def test_our_reader_reads_it(name: str, maker: ModuleType) -> None:
    """Scan the file, then decode each chunk by byte ranges; addresses have not changed."""
    data = (GOLDEN / name).read_bytes()
    locations = {item.address.hex(): item for item in scan_partition(data)}

    def read(item: ChunkLocation) -> np.ndarray:
        frames = [data[offset : offset + size] for offset, size in item.extents]
        difference = None
        if item.codec is not None and item.codec.transform.delta is not None:
            base = read(locations[item.codec.transform.delta])
            difference = partial(apply_delta, base, scale=item.codec.transform.scale)
        return decode_chunk(frames, item.encoding, item.codec, item.dtype, item.shape, difference)

    assert_same({key: read(item) for key, item in locations.items()}, arrays_of(maker, name))


def test_the_first_version_uses_all_that_it_had() -> None:
    """Its three encodings, and no columns."""
    data = (GOLDEN / "partition_v1.h5").read_bytes()
    assert {item.encoding for item in scan_partition(data)} == {"raw", "zstd", "shuffle"}
    assert read_columns(data) == []


def test_the_second_version_uses_all_that_it_has(maker: ModuleType) -> None:
    """Every transform with codes of every width, every scale, tables, planes, pages, shapes and columns."""
    data = (GOLDEN / "partition_v2.h5").read_bytes()
    assert read_columns(data) == maker.COLUMNS
    found = [(item, item.codec) for item in scan_partition(data)]
    transforms = [codec.transform for _, codec in found if codec is not None]
    widths = {(item.kind, np.dtype(item.dtype).itemsize) for item in transforms}
    assert widths >= {
        *(("plain", width) for width in (1, 2, 4, 8)),
        *(("decimal", width) for width in (1, 2, 4, 8)),
        *(("offset", width) for width in (1, 2, 4)),
        *(("dictionary", width) for width in (1, 2)),
        *(("delta", width) for width in (1, 2, 4, 8)),
        ("digits", 1),
    }
    decimals = {(item.scale, min(len(item.exceptions), 2)) for item in transforms if item.kind == "decimal"}
    assert decimals >= {(scale, some) for scale in maker.SCALES for some in (0, 1)}
    assert max(some for _, some in decimals) == 2
    assert {item.scale for item in transforms if item.kind == "delta"} == {0, 100}
    assert {item.base for item in transforms if item.kind == "digits"} == {0, 1}
    bits = {(item.kind, item.bits) for item in transforms}
    assert {width for _, width in bits} == {1, 2, 4, 8}
    assert {kind for kind, width in bits if width < 8} == {"plain", "decimal", "offset", "dictionary", "delta"}
    tables = {(codec.transform.kind, bool(codec.table_items)) for _, codec in found if codec is not None}
    assert tables >= {("dictionary", True), ("digits", True), ("digits", False), ("delta", True), ("delta", False)}
    pages = {
        np.dtype(codec.transform.dtype).itemsize
        for item, codec in found
        if codec is not None and len(item.extents) > 1 + bool(codec.table_items) and item.shape[0] % codec.rows
    }
    assert pages == {1, 2, 4, 8}
    assert {len(item.shape) for item, _ in found} == {1, 2, 4}
    assert sum(0 in item.shape for item, _ in found) == 3


def test_what_is_written_today_scans_to_the_same_chunks(maker: ModuleType) -> None:
    """Today's writer makes files that hold the same chunks under the same addresses."""
    today = maker.build()
    golden = (GOLDEN / f"partition_v{FORMAT_VERSION}.h5").read_bytes()
    facts = [{(item.address, item.dtype, item.shape) for item in scan_partition(data)} for data in (today, golden)]
    assert facts[0] == facts[1]
    with h5py.File(io.BytesIO(today), "r") as file:
        names = [name for name in file["chunks"] if not name.endswith(".table")]
        assert len(names) == len(facts[0])
        documents = [json.loads(bytes(file["chunks"][name].attrs.get("codec", b"{}"))) for name in names]
    assert {"kind", "dtype"} <= {key for item in documents for key in item.get("transform", {})}
