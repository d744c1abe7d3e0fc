"""Some rows of stored chunks are those of the arrays, and cost less than all of them."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import delta_scale, make_delta
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest, ReadTally
from mistique_core.partition import encode_chunk, encode_delta
from mistique_core.storage import LocalBackend
from tests.unit.partition.chunk_values import columns, tensors
from tests.unit.stored_chunks import empty_backend, store

RANDOM = np.random.default_rng(9)
SIZES = (1, 64, 300, 8_193, 20_000, 70_000)


@pytest.fixture(scope="module")
def backend() -> Iterator[LocalBackend]:
    """Return an empty folder's backend."""
    with empty_backend() as made:
        yield made


def assert_same_bits(back: np.ndarray, wanted: np.ndarray) -> None:
    """Fail unless dtype, shape and every bit are equal."""
    assert back.dtype == wanted.dtype
    assert back.shape == wanted.shape
    assert back.tobytes() == wanted.tobytes()


@st.composite
def rows_of(draw: st.DrawFn, size: int) -> np.ndarray:
    """Draw positions: few, near each other, repeated, or none."""
    first = draw(st.integers(0, size - 1))
    near = st.integers(first, min(size - 1, first + 50))
    return np.array(draw(st.lists(near, max_size=30) | st.lists(st.integers(0, size - 1), max_size=30)), np.intp)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_rows_are_those_of_the_arrays(backend: LocalBackend, cache_bytes: int, data: st.DataObject) -> None:
    """Several chunks in one call, some whole, twice, with and without a cache."""
    arrays = data.draw(st.lists((columns(sizes=SIZES) | tensors()).filter(len), min_size=1, max_size=3))
    unique = list({chunk_hash(array): array for array in arrays}.values())
    stored = store(backend, [encode_chunk(chunk_hash(array), array, 3) for array in unique])
    wanted = [data.draw(st.none() | rows_of(len(array))) for array in unique]
    reader = ChunkReader(backend, cache_bytes)
    requests = [ChunkRequest(chunk, rows) for chunk, rows in zip(stored, wanted, strict=True)]
    for _ in range(2):
        for back, array, rows in zip(reader.read(requests), unique, wanted, strict=True):
            assert_same_bits(back, array if rows is None else array[rows])
    reader.close()


def test_rows_of_every_page(backend: LocalBackend) -> None:
    """First and last row of each page, and rows of every two pages, in both orders."""
    for array in (RANDOM.normal(size=65_536), RANDOM.integers(0, 250, 65_536) * 1.0, RANDOM.normal(size=(20_000, 3))):
        (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, 3)])
        codec = chunk.location.codec
        assert codec is not None
        edges = sorted(
            {*range(0, len(array), codec.rows), *range(codec.rows - 1, len(array), codec.rows), len(array) - 1}
        )
        assert len(edges) >= 4
        reader = ChunkReader(backend, 0)
        for first in edges:
            for second in edges:
                rows = np.array([first, second], np.intp)
                assert_same_bits(reader.read([ChunkRequest(chunk, rows)])[0], array[rows])
        reader.close()


def test_one_row_costs_one_page(backend: LocalBackend) -> None:
    """And the table of a dictionary, if there is one; all rows cost all pages."""
    for array in (RANDOM.normal(size=65_536), RANDOM.choice(RANDOM.normal(size=300), 65_536)):
        encoded = encode_chunk(chunk_hash(array), array, 3)
        (chunk,) = store(backend, [encoded])
        reader = ChunkReader(backend, 0)
        few, whole = ReadTally(), ReadTally()
        assert reader.read([ChunkRequest(chunk, np.array([3, 5], np.intp))], few)[0].tolist() == array[[3, 5]].tolist()
        reader.read([ChunkRequest(chunk)], whole)
        reader.close()
        assert len(encoded.pages) > 2
        assert few.stored_bytes == len(encoded.pages[0]) + len(encoded.table or b"")
        assert whole.stored_bytes == encoded.stored_bytes


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_rows_of_a_difference(backend: LocalBackend, data: st.DataObject) -> None:
    """The chunk that it differs from is read with it."""
    base = data.draw(columns(sizes=SIZES))
    other = np.where(np.arange(base.size) % 7 == 3, base[::-1], base)
    scale = delta_scale(base, other)
    difference = make_delta(base, other, scale)
    assert difference is not None
    if other.tobytes() == base.tobytes():
        return
    whole = encode_chunk(chunk_hash(other), other, 3)
    made = encode_delta(whole, other, chunk_hash(base), difference, scale, 3)
    first, second = store(backend, [encode_chunk(chunk_hash(base), base, 3), made])
    second = StoredChunk(second.id, second.partition, second.location, base=first.id)
    rows = data.draw(rows_of(base.size))
    reader = ChunkReader(backend, 0)
    found = reader.read(
        [ChunkRequest(second, rows), ChunkRequest(second), ChunkRequest(first)], bases={first.id: first}
    )
    reader.close()
    for back, wanted in zip(found, [other[rows], other, base], strict=True):
        assert_same_bits(back, wanted)
