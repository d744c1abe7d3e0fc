"""One damaged byte of a stored partition costs the values of one chunk at most, and never gives a wrong one."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import scan_partition
from mistique_core.storage import LocalBackend

KEY = "p.m.x"
MASKS = (0x01, 0x04, 0x80, 0xFF)


def small_columns() -> dict[str, object]:
    """Return columns of 120 rows that use every transform, missing values, texts and categories."""
    random = np.random.default_rng(2)
    rows = np.arange(120)
    return {
        "cents": (rows * 7919 % 10_007) / 100,
        "cents_nan": np.where(rows % 9, (rows * 104_729 % 10_009) / 100, np.nan),
        "few": random.choice(random.normal(size=3), 120),
        "full": random.normal(size=120),
        "half": random.normal(size=120).astype("f2"),
        "single": random.normal(size=120).astype("f4"),
        "ids": 10**9 + rows * 31 % 127,
        "wide": random.integers(-(2**62), 2**62, 120),
        "small": random.integers(-9, 9, 120).astype("i1"),
        "flags": rows % 3 == 0,
        "constant": np.full(120, 1 / 3),
        "text": pd.Series([None if row % 11 == 0 else f"word {row * row}" for row in rows], dtype="str"),
        "category": pd.Categorical(random.choice(["red", "green", "blue"], 120)),
        "nullable": pd.array([None if row % 5 == 0 else int(row) for row in rows], dtype="Int64"),
        "days": pd.Timestamp("2020-01-01") + pd.to_timedelta(rows, unit="D"),
    }


def long_columns() -> dict[str, object]:
    """Return columns of several pages that take few bytes."""
    rows = np.arange(40_000)
    return {
        "steps": rows // 100 * 1.0,
        "far": np.where(rows % 1000, 5e-7, rows * 1e-9 + 1 / 3),
        "cents": rows // 50 / 100,
        "bytes": (rows // 300).astype("u1"),
    }


FRAMES = {"small": pd.DataFrame(small_columns()), "long": pd.DataFrame(long_columns())}


class Stored:
    """A store that holds one frame, and the only partition of it."""

    def __init__(self, home: Path, frame: pd.DataFrame) -> None:
        self.store = Mistique.open(home, cache_bytes=0)
        self.store.log_frame("p", "m", "x", frame)
        (self.path,) = (home / "partitions").rglob("*.h5")
        self.good = self.path.read_bytes()
        self.backend = LocalBackend(home / "partitions")
        self.reader = ChunkReader(self.backend, 0)
        found = list(scan_partition(self.good))
        numbers = {location.address: number for number, location in enumerate(found, 1)}
        self.chunks = []
        for location in found:
            delta = location.codec.transform.delta if location.codec else None
            base = None if delta is None else numbers[bytes.fromhex(delta)]
            self.chunks.append(StoredChunk(numbers[location.address], self.path.name, location, base=base))
        self.by_id = {chunk.id: chunk for chunk in self.chunks}
        self.values = {chunk.id: self.read(chunk) for chunk in self.chunks}

    def close(self) -> None:
        """Close what is open."""
        self.reader.close()
        self.backend.close()
        self.store.close()

    def read(self, chunk: StoredChunk, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the values of a chunk."""
        return self.reader.read([ChunkRequest(chunk, rows)], bases=self.by_id)[0]

    def flip(self, position: int, mask: int) -> None:
        """Change one byte of the file, in place: files that are open see it."""
        with self.path.open("r+b") as file:
            os.pwrite(file.fileno(), bytes([self.good[position] ^ mask]), position)

    def repair(self, position: int) -> None:
        """Undo it."""
        self.flip(position, 0)

    def owner(self, position: int) -> int | None:
        """Return the chunk that a byte belongs to, or ``None``."""
        for chunk in self.chunks:
            if any(offset <= position < offset + size for offset, size in chunk.location.extents):
                return chunk.id
        return None

    def unreadable(self, chunks: list[StoredChunk], random: np.random.Generator) -> set[int]:
        """Read chunks whole and some of their rows; return which of them fail, and fail if a value is wrong."""
        failed = set()
        for chunk in chunks:
            wanted = self.values[chunk.id]
            row = random.integers(len(wanted)) if len(wanted) else 0
            rows = np.arange(row, min(row + 3, len(wanted)))
            for part in (None, rows):
                try:
                    found = self.read(chunk, part)
                except CorruptPartitionError:
                    failed.add(chunk.id)
                    continue
                assert found.tobytes() == (wanted if part is None else wanted[part]).tobytes()
        return failed


@pytest.fixture(scope="module", params=FRAMES)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Return a store with one of the frames."""
    made = Stored(tmp_path_factory.mktemp(request.param), FRAMES[request.param])
    yield made
    made.close()


def test_the_partition_has_what_it_should(stored: Stored) -> None:
    """Every transform that a column can have; several pages in the long one."""
    kinds = {chunk.location.codec.transform.kind for chunk in stored.chunks if chunk.location.codec}
    assert kinds >= {"decimal"}
    if len(stored.chunks) > 10:
        assert kinds >= {"plain", "decimal", "offset", "dictionary"}
        assert len(stored.chunks) >= 18
    else:
        pages = [len(chunk.location.extents) for chunk in stored.chunks]
        assert min(pages) >= 2
        assert max(pages) >= 3


def test_every_byte_of_every_chunk(stored: Stored) -> None:
    """A flipped byte makes its own chunk unreadable, and what is a difference to it, or changes nothing at all."""
    random = np.random.default_rng(1)
    unseen = total = 0
    for chunk in stored.chunks:
        kin = [item for item in stored.chunks if chunk.id in (item.id, item.base)]
        for offset, size in chunk.location.extents:
            for position in range(offset, offset + size):
                mask = MASKS[position % len(MASKS)]
                stored.flip(position, mask)
                other = stored.chunks[random.integers(len(stored.chunks))]
                failed = stored.unreadable([*kin, other], random)
                stored.repair(position)
                assert failed <= {item.id for item in kin}
                unseen += not failed
                total += 1
    assert total == sum(chunk.location.size for chunk in stored.chunks)
    # The bit of a frame's header that has no meaning, and pages of other rows than those that were read in part.
    assert unseen <= 2 * sum(len(chunk.location.extents) for chunk in stored.chunks)
    assert not stored.unreadable(stored.chunks, random)


def test_bytes_outside_of_chunks_cost_nothing(stored: Stored) -> None:
    """All of HDF5's own bytes at once: no read of values needs them."""
    random = np.random.default_rng(3)
    outside = [position for position in range(len(stored.good)) if stored.owner(position) is None]
    assert len(outside) > 1_000
    damaged = bytearray(stored.good)
    for position in outside:
        damaged[position] ^= 0xFF
    with stored.path.open("r+b") as file:
        file.write(damaged)
    try:
        assert stored.unreadable(stored.chunks, random) == set()
    finally:
        with stored.path.open("r+b") as file:
            file.write(stored.good)


def test_columns_of_the_store(stored: Stored) -> None:
    """A sample of bytes of the whole file: every column is read whole and in part, as a user does it."""
    random = np.random.default_rng(4)
    frame = stored.store.get_intermediates(KEY, strategy="read").frame
    sample = random.choice(len(stored.good), 40, replace=False)
    for position in [
        *sample.tolist(),
        *(chunk.location.offset + 9 for chunk in stored.chunks if chunk.location.size > 12),
    ]:
        owner = stored.owner(position)
        stored.flip(position, 0xFF)
        failed = set()
        for name in frame:
            for row_id in (None, random.choice(len(frame), 3, replace=False)):
                try:
                    found = stored.store.get_intermediates(f"{KEY}.{name}", row_id=row_id, strategy="read").frame
                except CorruptPartitionError:
                    failed.add(name)
                    continue
                wanted = frame[[name]] if row_id is None else frame.loc[row_id, [name]]
                pd.testing.assert_frame_equal(found, wanted, check_exact=True)
        stored.repair(position)
        dependents = [chunk for chunk in stored.chunks if owner is not None and owner in (chunk.id, chunk.base)]
        assert len(failed) <= len(dependents)
    pd.testing.assert_frame_equal(stored.store.get_intermediates(KEY, strategy="read").frame, frame)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(stored: Stored, keep: float) -> None:
    """Chunks that end before the cut are read; all others fail, and nothing is made up."""
    random = np.random.default_rng(5)
    cut = int(keep * len(stored.good))
    os.truncate(stored.path, cut)
    try:
        failed = stored.unreadable(stored.chunks, random)
        for chunk in stored.chunks:
            needed = [chunk, *([] if chunk.base is None else [stored.by_id[chunk.base]])]
            ends = max((sum(extent) for item in needed for extent in item.location.extents), default=0)
            assert (chunk.id in failed) == (ends > cut)
    finally:
        with stored.path.open("r+b") as file:
            file.write(stored.good)


def test_a_file_of_zeros(stored: Stored) -> None:
    """As long as it was: every chunk with values fails."""
    with stored.path.open("r+b") as file:
        file.write(bytes(len(stored.good)))
    try:
        failed = stored.unreadable(stored.chunks, np.random.default_rng(6))
        assert failed == {chunk.id for chunk in stored.chunks if chunk.location.extents}
    finally:
        with stored.path.open("r+b") as file:
            file.write(stored.good)
