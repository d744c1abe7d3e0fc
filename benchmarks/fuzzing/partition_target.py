"""Partition files: scanned as ``rebuild`` does it, and read at recorded places as every query does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.fuzzing.forged_partition import forge
from benchmarks.fuzzing.mutation import mutate_bytes
from benchmarks.fuzzing.target import WrongValueError
from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import chunk_hash
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest
from mistique_core.errors import CorruptPartitionError
from mistique_core.maintenance.verify import decode_verified, frames_in
from mistique_core.partition import (
    ChunkLocation,
    build_partition,
    encode_chunk,
    encode_delta,
    read_columns,
    scan_partition,
)
from mistique_core.storage import StoredFile

Array = npt.NDArray[Any]
GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
NAME = "0" * 64 + ".h5"
COLUMNS = [{"address": "ab", "rows": 3}, {"address": "cd", "label": "Größe"}]
_READ = 6


class MemoryBackend:
    """One file in memory; only what reading needs."""

    def __init__(self) -> None:
        self.data = b""

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """See :class:`mistique_core.storage.StorageBackend`."""
        return self.get_ranges(name, [(offset, size)])[0]

    def get_ranges(self, _name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See :class:`mistique_core.storage.StorageBackend`."""
        if any(offset + size > len(self.data) for offset, size in ranges):
            raise CorruptPartitionError("the file is too short; this one is in memory")
        return [self.data[offset : offset + size] for offset, size in ranges]

    def size(self, _name: str) -> int:
        """See :class:`mistique_core.storage.StorageBackend`."""
        return len(self.data)

    def files(self) -> Iterator[StoredFile]:
        """See :class:`mistique_core.storage.StorageBackend`."""
        yield StoredFile(NAME, len(self.data), 0.0)


@dataclass
class GoodFile:
    """A file as it was written.

    Attributes
    ----------
    data
        Its bytes.
    arrays
        Address -> array.
    chunks
        Row in a catalogue -> chunk.
    metadata
        Positions of bytes that belong to no chunk.
    columns
        Documents that it carries.
    """

    data: bytes
    arrays: dict[bytes, Array]
    chunks: dict[int, StoredChunk]
    metadata: list[int]
    columns: list[dict[str, Any]]

    @classmethod
    def of(cls, data: bytes) -> GoodFile:
        """Read a file, and prove every value by its address."""
        locations = list(scan_partition(data))
        numbers = {location.address: number for number, location in enumerate(locations, 1)}
        arrays: dict[bytes, Array] = {}
        chunks = {}
        own = np.ones(len(data), bool)
        for location in sorted(locations, key=lambda item: _base(item) is not None):
            base = _base(location)
            known = None if base is None else arrays[base]
            arrays[location.address] = decode_verified(location, frames_in(location, data), known)
            number = numbers[location.address]
            chunks[number] = StoredChunk(number, NAME, location, base=None if base is None else numbers[base])
            for offset, size in location.extents:
                own[offset : offset + size] = False
        return cls(data, arrays, chunks, np.flatnonzero(own).tolist(), read_columns(data))


def _base(location: ChunkLocation) -> bytes | None:
    delta = None if location.codec is None else location.codec.transform.delta
    return None if delta is None else bytes.fromhex(delta)


def small_file() -> bytes:
    """Return a file with one chunk of every kind, most of them of a few rows."""
    numbers = np.random.default_rng(1)
    steps = np.arange(300)
    full = np.sqrt(steps + 0.7)
    arrays = [
        (numbers.normal(size=70) * 10).round(1),
        np.where(steps % 7, steps / 100, np.nan),
        (steps % 3 == 0).astype("u1"),
        np.sqrt(steps % 13 + 2),
        numbers.normal(size=(6, 2)).astype("f4"),
        10**9 + np.arange(80),
        numbers.poisson(0.7, (2, 50, 60)).astype("i1"),
        np.maximum(numbers.normal(size=(4, 40, 40)), 0).astype("f2"),
        (np.arange(9_000) // 40 * 1.0),
        np.frombuffer(b"home 12 of street 7;" * 40, "u1"),
        full,
        np.empty(0, "u1"),
        np.empty((0, 3), "f8"),
    ]
    changed = np.where(steps % 50, full, full + 1e-13)
    chunks = [encode_chunk(chunk_hash(array), array, 3) for array in arrays]
    from mistique_core.dedup.delta import make_delta

    delta = make_delta(full, changed)
    assert delta is not None
    whole = encode_chunk(chunk_hash(changed), changed, 3)
    chunks.append(encode_delta(whole, changed, chunk_hash(full), delta, 0, 3))
    return build_partition(chunks, COLUMNS)[0]


class PartitionTarget:
    """Mutated partition files."""

    def __init__(self) -> None:
        self._small = GoodFile.of(small_file())
        self._golden = [GoodFile.of(path.read_bytes()) for path in sorted(GOLDEN.glob("*.h5"))]
        self._backend = MemoryBackend()
        self._reader = ChunkReader(self._backend, 0)  # type: ignore[arg-type]

    def make(self, random: Random) -> tuple[GoodFile, bytes, int]:
        """Return a good file, its mutated bytes, and a number for what is read of it."""
        good = self._small if random.random() < 0.95 or not self._golden else random.choice(self._golden)
        data = good.data
        is_forged = good is self._small and random.random() < 0.5
        if is_forged:
            data = forge(random, data)
        if not is_forged or random.random() < 0.2:
            data = mutate_bytes(random, data, good.metadata if random.random() < 0.5 else None)
        return good, data, random.randrange(1 << 30)

    def run(self, item: tuple[GoodFile, bytes, int]) -> str:
        """Scan the file, prove what it claims to hold, and read it where its chunks were."""
        good, data, number = item
        scanned = self._scan(good, data)
        read = self._read(good, data, Random(number))
        return f"scan {scanned}, read {read}"

    def close(self) -> None:
        """Stop the reader's threads."""
        self._reader.close()

    def _scan(self, good: GoodFile, data: bytes) -> str:
        found: dict[bytes, Array] = {}
        try:
            locations = list(scan_partition(data))
        except CorruptPartitionError:
            return "refused"
        finally:
            self._columns(good, data)
        for location in sorted(locations, key=lambda item: _base(item) is not None):
            base = _base(location)
            try:
                if base is not None and base not in found:
                    continue
                known = None if base is None else found[base]
                array = decode_verified(location, frames_in(location, data), known)
            except CorruptPartitionError:
                continue
            found[location.address] = array
            _check_equal(array, good.arrays.get(location.address, array))
        return "whole" if len(found) == len(good.arrays) else "in part"

    def _columns(self, good: GoodFile, data: bytes) -> None:
        try:
            columns = read_columns(data)
        except CorruptPartitionError:
            return
        # They are described again by what their addresses prove, and their frame has a checksum of its own.
        if not isinstance(columns, list) or not all(isinstance(item, dict) for item in columns):
            raise WrongValueError(f"columns {columns!r:.200} are no documents, unlike {good.columns!r:.200}")

    def _read(self, good: GoodFile, data: bytes, random: Random) -> str:
        self._backend.data = data
        self._reader = ChunkReader(self._backend, 0)  # type: ignore[arg-type]
        refused = 0
        chunks = random.sample(list(good.chunks.values()), min(_READ, len(good.chunks)))
        for chunk in chunks:
            wanted = good.arrays[chunk.address]
            size = len(wanted)
            start = random.randrange(size or 1)
            for rows in (np.arange(start, min(start + 3, size)), None):
                try:
                    found = self._reader.read([ChunkRequest(chunk, rows)], bases=good.chunks)[0]
                except CorruptPartitionError:
                    refused += 1
                    continue
                if rows is not None and chunk.location.codec is None:
                    continue  # format 1 has no checksums: what is read in part is not proved
                _check_equal(found, wanted if rows is None else wanted[rows])
        return "refused" if refused == 2 * len(chunks) else "in part" if refused else "whole"


def _check_equal(found: Array, wanted: Array) -> None:
    if found.dtype != wanted.dtype or found.shape != wanted.shape or found.tobytes() != wanted.tobytes():
        raise WrongValueError(f"{found!r:.300} in place of {wanted!r:.300}")
