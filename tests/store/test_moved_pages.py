"""A page that lies whole where another one was written is never taken for it, whichever way it is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import chunk, column_chunk, intermediate, partition
from mistique_core.engine import chunk_reader, native_chunk, point_reader
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import pack_extents, unpack_pages

ROWS = 40_000
RANDOM = np.random.default_rng(0)
COLUMNS = {
    "plain": RANDOM.normal(size=ROWS),
    "offset": RANDOM.integers(10**9, 10**9 + 60_000, ROWS),
    "decimal": RANDOM.integers(0, 30_000, ROWS) / 100,
    "dictionary": RANDOM.choice(RANDOM.normal(size=200), ROWS),
    "flags": RANDOM.random(ROWS) < 0.5,
    "text": np.array([f"{number:08x}" for number in RANDOM.integers(0, 2**32, ROWS)], dtype=object),
}


@pytest.fixture(params=["compiled", "NumPy"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "NumPy":
        for module in (chunk_reader, native_chunk, point_reader):
            monkeypatch.setattr(module, "page_kernels", None)
    elif point_reader.page_kernels is None:
        pytest.skip("the compiled reader of pages was not built (no C compiler)")
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Mistique.open(tmp_path) as store:
        for name, values in COLUMNS.items():
            store.log_frame("p", "m", name, pd.DataFrame({name: values}))
        maps = np.maximum(RANDOM.normal(size=(300, 8, 8, 4)), 0).astype(np.float32)
        store.log_array("p", "m", "maps", maps, scheme="lossless")
    return tmp_path


def pages_of(store: Mistique) -> Iterator[tuple[Path, list[tuple[int, int]]]]:
    """Yield partition and extents of every chunk that holds no row ids."""
    ids = sa.select(column_chunk.c.chunk_id).where(
        column_chunk.c.column_version_id.in_(sa.select(intermediate.c.row_id_version))
    )
    query = sa.select(chunk.c.pages, chunk.c.byte_offset, partition.c.name).join(partition)
    query = query.where(chunk.c.id.not_in(ids))
    with store.catalogue.read() as connection:
        for row in connection.execute(query):
            extents, checks = unpack_pages(bytes(row.pages), row.byte_offset)
            assert len(checks) == len(extents)
            (path,) = Path(store.config.location).rglob(row.name)
            yield path, list(extents)


def move_pages(store: Mistique) -> int:
    """Copy each page of each chunk over the next one of the same length; return how many were overwritten."""
    moved = 0
    for path, extents in pages_of(store):
        data = bytearray(path.read_bytes())
        whole = bytes(data)
        for (start, size), (other, length) in pairwise(extents):
            if size == length and whole[start : start + size] != whole[other : other + length]:
                data[other : other + length] = whole[start : start + size]
                moved += 1
        path.chmod(0o600)
        path.write_bytes(bytes(data))
    return moved


def forget_checks(store: Mistique) -> None:
    """Leave the catalogue as earlier releases wrote it."""
    with store.catalogue.write() as connection:
        for row in connection.execute(sa.select(chunk.c.id, chunk.c.pages, chunk.c.byte_offset)).all():
            extents, _ = unpack_pages(bytes(row.pages), row.byte_offset)
            connection.execute(sa.update(chunk).where(chunk.c.id == row.id).values(pages=pack_extents(extents)))


def ask(folder: Path, expected: dict[str, pd.DataFrame]) -> tuple[int, int]:
    """Ask for single rows of each intermediate; return how many were refused, and answered wrongly."""
    refused = wrong = 0
    with Mistique.open(folder, cache_bytes=0) as store:
        for name, frame in expected.items():
            for row in range(5, len(frame), len(frame) // 25):
                try:
                    found = store.get_intermediates(f"p.m.{name}", row_id=[row], strategy="read").to_pandas()
                except CorruptPartitionError:
                    refused += 1
                else:
                    wrong += not found.equals(frame.loc[[row]])
    return refused, wrong


def test_no_row_of_a_moved_page_is_answered_wrongly(reader: str, folder: Path) -> None:
    with Mistique.open(folder, cache_bytes=0) as store:
        names = [*COLUMNS, "maps"]
        expected = {name: store.get_intermediates(f"p.m.{name}", strategy="read").to_pandas() for name in names}
        assert move_pages(store)
    refused, wrong = ask(folder, expected)
    assert refused
    assert not wrong
    with Mistique.open(folder, cache_bytes=0) as store:
        forget_checks(store)
    assert ask(folder, expected)[1]  # so that this test cannot pass for nothing


def test_a_page_that_was_moved_after_its_chunk_was_verified_is_refused(reader: str, folder: Path) -> None:
    """A chunk is hashed once in a process; what is moved later is told by the pages alone."""
    with Mistique.open(folder, cache_bytes=0) as store:
        whole = {name: store.get_intermediates(f"p.m.{name}", strategy="read").to_pandas() for name in COLUMNS}
        moved = move_pages(store)
        assert moved
        refused = 0
        for name, expected in whole.items():
            try:
                found = store.get_intermediates(f"p.m.{name}", strategy="read").to_pandas()
            except CorruptPartitionError:
                refused += 1
            else:
                pd.testing.assert_frame_equal(found, expected)
        assert refused


def test_pages_of_earlier_releases_are_read_as_before(reader: str, folder: Path) -> None:
    """Their catalogues know no checksums of pages."""
    with Mistique.open(folder) as store:
        expected = {name: store.get_intermediates(f"p.m.{name}", strategy="read").to_pandas() for name in COLUMNS}
        forget_checks(store)
    assert ask(folder, expected) == (0, 0)
    with Mistique.open(folder, cache_bytes=0) as store:
        for name, frame in expected.items():
            pd.testing.assert_frame_equal(store.get_intermediates(f"p.m.{name}", strategy="read").to_pandas(), frame)
