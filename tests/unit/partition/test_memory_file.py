"""Files in memory: the same datasets and pages in order whether HDF5 keeps the file or Python does."""

import io
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mistique_core.partition import (
    EncodedChunk,
    PartitionBuilder,
    build_partition,
    encode_chunk,
    memory_file,
    scan_partition,
)


def arrays() -> list[np.ndarray]:
    """Arrays whose chunks have tables, many small pages, or none."""
    rng = np.random.default_rng(0)
    return [
        np.repeat(rng.integers(0, 3, 40), 1_000),
        rng.normal(size=30_000),
        rng.normal(size=9_000).round(2),
        np.zeros(0),
        rng.choice(rng.normal(size=300), 20_000),
        rng.integers(0, 2, 50_000).astype(bool).view(np.uint8),
    ]


def chunks() -> list[EncodedChunk]:
    """Sixty chunks."""
    given = arrays()
    return [encode_chunk(bytes([number]) * 32, given[number % len(given)], 3) for number in range(60)]


@pytest.mark.parametrize("kept_by", ["hdf5", "python"])
def test_pages_lie_where_they_are_said_to(kept_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, found again by a scan, readable by plain h5py, and the same bytes each time."""
    if kept_by == "python":
        monkeypatch.setattr(memory_file, "_small_block_setter", lambda: None)
    else:
        assert memory_file._small_block_setter() is not None
    made = chunks()
    data, locations = build_partition(made)
    assert build_partition(made)[0] == data
    assert {item.address: item for item in scan_partition(data)} == {item.address: item for item in locations}
    for chunk, location in zip(made, locations, strict=True):
        frames = [*([chunk.table] if chunk.table is not None else []), *chunk.pages]
        assert [data[offset : offset + size] for offset, size in location.extents] == frames
        ends = [offset + size for offset, size in location.extents]
        assert all(end <= offset for end, (offset, _) in zip(ends, location.extents[1:], strict=False))
    with h5py.File(io.BytesIO(data)) as file:
        np.testing.assert_array_equal(file["chunks"][locations[1].address.hex()][()], arrays()[1])


def test_several_are_written_at_once() -> None:
    """One does not know of the other."""
    made = chunks()
    builders = [PartitionBuilder() for _ in range(3)]
    for number, chunk in enumerate(made):
        builders[number % 3].add(chunk)
    finished = [builder.finish() for builder in builders]
    assert finished == [build_partition(made[number::3])[0] for number in range(3)]


TWO_THREADS = """
import sys
import threading

import numpy as np

from mistique_core.partition import build_partition, encode_chunk
from mistique_core.partition.memory_file import MemoryFile

sys.setswitchinterval(1e-6)
chunk = encode_chunk(bytes(32), np.random.default_rng(0).standard_normal(40_000), 1)
expected = build_partition([chunk])[0]
is_built = threading.Event()
made = []

def make():
    while not is_built.is_set():
        MemoryFile().file.close()
        made.append(1)

others = [threading.Thread(target=make) for _ in range(2)]
for other in others:
    other.start()
try:
    same = all(build_partition([chunk])[0] == expected for _ in range(700))
finally:
    is_built.set()
for other in others:
    other.join()
print(same and len(made) > 100)
"""


def test_a_file_is_begun_while_another_thread_writes_one() -> None:
    """HDF5 is not safe to call from two threads: what is called past h5py has to take its lock, or the process ends."""
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
