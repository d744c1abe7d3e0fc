"""A few rows, read in one pass over all chunks, are bit for bit those of the arrays, whatever their transform."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import apply_delta, base_zeros, make_delta
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest, ReadTally
from mistique_core.engine.point_reader import MOST_POINTS, Point, has_points, has_sums, read_points
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import encode_chunk, encode_delta
from mistique_core.partition.encoding import _encode
from mistique_core.partition.transform import Transform, Transformed, invert, plain
from mistique_core.storage import LocalBackend
from tests.unit.partition.chunk_values import columns
from tests.unit.stored_chunks import empty_backend, store

RANDOM = np.random.default_rng(4)
ROWS = 20_000
FLOATS = ("<f2", "<f4", "<f8")
UNSIGNED = ("|u1", "<u2", "<u4", "<u8")


@pytest.fixture(scope="module")
def backend() -> Iterator[LocalBackend]:
    """Return an empty folder's backend."""
    with empty_backend() as made:
        yield made


def points(backend: LocalBackend, chunks: list[StoredChunk], rows: np.ndarray) -> list[np.ndarray]:
    """Read the same rows of chunks."""
    assert all(has_points(chunk) for chunk in chunks)
    return read_points(backend.get_ranges, [Point(chunk, rows) for chunk in chunks])


def codes_of(dtype: str, most: int) -> np.ndarray:
    """Return codes of a dtype up to `most`, and `most` itself."""
    codes = RANDOM.integers(0, most, ROWS, endpoint=True, dtype=np.uint64).astype(dtype)
    codes[[0, 8_191, 8_192, ROWS - 1]] = most
    return codes


def transformed() -> list[tuple[str, Transformed]]:
    """Return (dtype, codes) of every transform, with every width of codes and packed ones."""
    found: list[tuple[str, Transformed]] = []
    for dtype in UNSIGNED:
        width = 8 * np.dtype(dtype).itemsize
        for target in FLOATS:
            most = min((1 << width) - 1, 1 << 60)
            for scale, base in ((1, 0), (100, -7), (10**14, 1 << 40), (3, -(1 << 63))):
                item = Transform("decimal", dtype, base, scale)
                found.append((target, Transformed(item, codes_of(dtype, most))))
            exceptions = tuple(RANDOM.integers(0, 1 << (8 * int(target[2:]) - 1), 9).tolist())
            item = Transform("decimal", dtype, 5, 10, top=100, exceptions=exceptions)
            found.append((target, Transformed(item, codes_of(dtype, 108))))
        for target in ("<i4", "<u8", "<i8", "<u2"):
            item = Transform("offset", dtype, -(1 << 31))
            found.append((target, Transformed(item, codes_of(dtype, (1 << width) - 1))))
    for items in (1, 2, 3, 15, 200, 5_000):
        for target in ("<f8", "<f4", "<i2", "|b1", "|u1"):
            table = np.frombuffer(RANDOM.bytes(items * np.dtype(target).itemsize), target)
            dtype = "|u1" if items <= 256 else "<u2"
            found.append((target, Transformed(Transform("dictionary", dtype), codes_of(dtype, items - 1), table)))
    for target in ("|b1", "|i1", "|u1", "<i2", "<f2", "<u4", "<f8"):
        array = np.frombuffer(RANDOM.bytes(ROWS * np.dtype(target).itemsize), target)
        found.append((target, plain(array)))
        found.append((target, plain(np.zeros(ROWS, target))))
    return found


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.integers(0, ROWS - 1) | st.sampled_from([0, 8_191, 8_192, ROWS - 1]), max_size=MOST_POINTS))
def test_every_transform(backend: LocalBackend, every: list[StoredChunk], rows: list[int]) -> None:
    """All chunks in one call; rows repeated, in any order, of the first and the last page."""
    positions = np.array(rows, np.intp)
    for chunk, back in zip(every, points(backend, every, positions), strict=True):
        wanted = EXPECTED[chunk.id][positions]
        assert back.dtype == wanted.dtype
        assert back.tobytes() == wanted.tobytes()


EXPECTED: dict[int, np.ndarray] = {}


@pytest.fixture(scope="module")
def every(backend: LocalBackend) -> list[StoredChunk]:
    """Store a chunk of each transform, and what the reference makes of it."""
    made, values = [], []
    for number, (dtype, item) in enumerate(transformed()):
        array = invert(item.transform, item.codes, dtype, item.table)
        made.append(_encode(number.to_bytes(32, "big"), array, item, 3))
        values.append(array)
    stored = store(backend, made)
    for chunk in stored:
        EXPECTED[chunk.id] = values[int.from_bytes(chunk.address, "big")]
    assert {chunk.location.codec.transform.bits for chunk in stored if chunk.location.codec} == {1, 2, 4, 8}
    return stored


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_the_encoder_chooses(backend: LocalBackend, data: st.DataObject) -> None:
    """Rows are those of the arrays, and whole chunks agree."""
    array = data.draw(columns().filter(len))
    rows = np.array(data.draw(st.lists(st.integers(0, len(array) - 1), max_size=20)), np.intp)
    (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, 3)])
    assert points(backend, [chunk], rows)[0].tobytes() == array[rows].tobytes()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_rows_of_a_difference(backend: LocalBackend, data: st.DataObject) -> None:
    """A few rows of base and difference are enough, once the base's zeros are known."""
    base = data.draw(columns(sizes=(1, 64, 300, 20_000)))
    other = np.where(np.arange(base.size) % 7 == 3, base[::-1], base)
    scale = data.draw(st.sampled_from([0, 1, 100])) if base.dtype.kind == "f" and base.dtype.itemsize > 2 else 0
    difference = make_delta(base, other, scale)
    assert difference is not None
    rows = np.array(data.draw(st.lists(st.integers(0, base.size - 1), max_size=20)), np.intp)
    zeros = base_zeros(base, scale)
    assert apply_delta(base[rows], difference[rows], scale, zeros).tobytes() == other[rows].tobytes()
    if other.tobytes() == base.tobytes():
        return
    whole = encode_chunk(chunk_hash(other), other, 3)
    made = encode_delta(whole, other, chunk_hash(base), difference, scale, 3)
    first, second = store(backend, [encode_chunk(chunk_hash(base), base, 3), made])
    second = replace(second, base=first.id)
    found = read_points(backend.get_ranges, [Point(second, rows, False, first, zeros), Point(first, rows)])
    assert [item.tobytes() for item in found] == [other[rows].tobytes(), base[rows].tobytes()]


def test_a_difference_is_read_whole_only_once(backend: LocalBackend) -> None:
    """Then rows of it cost pages of it and of its base."""
    base = np.cumsum(RANDOM.normal(size=65_536))
    other = base.copy()
    other[::1_000] += 1
    difference = make_delta(base, other)
    assert difference is not None
    whole = encode_chunk(chunk_hash(other), other, 3)
    made = encode_delta(whole, other, chunk_hash(base), difference, 0, 3)
    first, second = store(backend, [encode_chunk(chunk_hash(base), base, 3), made])
    second = replace(second, base=first.id)
    reader = ChunkReader(backend, 0)
    rows = np.array([1_000, 999, 65_535], np.intp)
    tallies = [ReadTally(), ReadTally()]
    for tally in tallies:
        (back,) = reader.read([ChunkRequest(second, rows)], tally, {first.id: first})
        assert back.tobytes() == other[rows].tobytes()
    reader.close()
    assert tallies[0].stored_bytes == first.location.size + second.location.size
    assert tallies[1].stored_bytes < tallies[0].stored_bytes / 2


@pytest.mark.parametrize("most", [1, 3, 15, 200, 60_000])
@pytest.mark.parametrize("base", [0, 1_000])
def test_sums_before_rows(backend: LocalBackend, most: int, base: int) -> None:
    """The sum of what lies before a row in its page."""
    lengths = (RANDOM.integers(0, most, ROWS, endpoint=True) + base).astype("<i4")
    (chunk,) = store(backend, [encode_chunk(chunk_hash(lengths), lengths, 3)])
    assert has_sums(chunk)
    codec = chunk.location.codec
    assert codec is not None
    rows = np.array([0, ROWS - 1, codec.rows, codec.rows - 1, 5, 5], np.intp)
    (back,) = read_points(backend.get_ranges, [Point(chunk, rows, with_sums=True)])
    starts = rows - rows % codec.rows
    sums = [int(lengths[start:row].sum()) for start, row in zip(starts, rows, strict=True)]
    assert back.tolist() == [lengths[rows].tolist(), sums]


def test_a_code_that_names_nothing(backend: LocalBackend) -> None:
    """Of a table, and of exceptions."""
    codes = np.full(300, 77, np.uint8)
    table = np.arange(3.0)
    top = Transform("decimal", "|u1", top=70, exceptions=(1, 2))
    wide = Transform("decimal", "|u1", top=70, exceptions=(1,) * 7 + (1 << 40,))
    cases = [Transformed(Transform("dictionary", "|u1"), codes, table), Transformed(top, codes)]
    made = [_encode(bytes([number]) * 32, np.zeros(300), item, 3) for number, item in enumerate(cases)]
    made.append(_encode(b"9" * 32, np.zeros(300, "<f4"), Transformed(wide, codes), 3))
    for chunk in store(backend, made):
        with pytest.raises(CorruptPartitionError, match="run 'mistique check'"):
            points(backend, [chunk], np.array([4], np.intp))


def test_chunks_without_points(backend: LocalBackend) -> None:
    """Tensors, digits and chunks whose pages are not as many as their rows need."""
    tensor = RANDOM.normal(size=(300, 4))
    digits = RANDOM.integers(0, 4, (300, 8)).astype("u1")
    arrays = [tensor, digits, RANDOM.normal(size=ROWS)]
    stored = store(backend, [encode_chunk(chunk_hash(array), array, 3) for array in arrays])
    by_address = {chunk.address: chunk for chunk in stored}
    good = by_address[chunk_hash(arrays[2])]
    assert [has_points(by_address[chunk_hash(array)]) for array in arrays] == [False, False, True]
    for change in ({"shape": (ROWS * 2,)}, {"extents": good.location.extents[:-1]}, {"encoding": "zstd"}):
        assert not has_points(replace(good, location=replace(good.location, **change)))


def test_a_damaged_page_is_refused(backend: LocalBackend) -> None:
    """And pages beside it are not looked at."""
    array = RANDOM.normal(size=ROWS)
    (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, 3)])
    broken = chunk.location.extents[1]

    def fetch(name: str, extents: list[tuple[int, int]]) -> list[bytes]:
        found = []
        for extent, data in zip(extents, backend.get_ranges(name, extents), strict=True):
            middle = len(data) // 2
            found.append(data if extent != broken else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        return found

    codec = chunk.location.codec
    assert codec is not None
    others = np.array([0, codec.rows - 1, ROWS - 1], np.intp)
    assert read_points(fetch, [Point(chunk, others)])[0].tobytes() == array[others].tobytes()
    with pytest.raises(CorruptPartitionError):
        read_points(fetch, [Point(chunk, np.array([0, codec.rows], np.intp))])


def test_many_pages_at_once(backend: LocalBackend) -> None:
    """More than are decompressed one by one; one damaged byte among them is found."""
    arrays = [RANDOM.normal(size=ROWS) for _ in range(40)]
    stored = store(backend, [encode_chunk(chunk_hash(array), array, 3) for array in arrays])
    by_address = {chunk.address: chunk for chunk in stored}
    rows = np.array([ROWS - 1, 0, 10_000], np.intp)
    ordered = [by_address[chunk_hash(array)] for array in arrays]
    for array, back in zip(arrays, points(backend, ordered, rows), strict=True):
        assert back.tobytes() == array[rows].tobytes()

    def damaged(place: int) -> Callable[[str, list[tuple[int, int]]], list[bytes]]:
        def fetch(name: str, extents: list[tuple[int, int]]) -> list[bytes]:
            found = backend.get_ranges(name, extents)
            data = bytearray(found[70])
            data[place] ^= 4
            return [*found[:70], bytes(data), *found[71:]]

        return fetch

    for place in (0, 4, 6, 30, 20_000, -1):
        with pytest.raises(CorruptPartitionError):
            read_points(damaged(place), [Point(chunk, rows) for chunk in ordered])
    # The size of the window: of a larger one, the page is the same.
    found = read_points(damaged(5), [Point(chunk, rows) for chunk in ordered])
    assert [item.tobytes() for item in found] == [array[rows].tobytes() for array in arrays]
