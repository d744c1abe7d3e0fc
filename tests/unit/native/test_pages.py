"""The compiled reader of pages gives, bit for bit, what NumPy gives, and says where something is damaged."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import bytes_hash, chunk_hash
from mistique_core.engine import chunk_reader, native_chunk, point_reader
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest, ReadTally
from mistique_core.engine.native_chunk import decode_natively, pieces
from mistique_core.engine.point_reader import Point, read_points
from mistique_core.errors import CorruptPartitionError
from mistique_core.native import page_kernels
from mistique_core.partition import ChunkLocation, build_partition, decode_chunk, encode_chunk
from mistique_core.partition.encoding import _encode
from mistique_core.partition.page_spec import page_spec
from mistique_core.partition.transform import Transform, Transformed
from mistique_core.storage import LocalBackend
from tests.unit.partition.chunk_values import columns
from tests.unit.stored_chunks import empty_backend, store

pytestmark = pytest.mark.skipif(page_kernels is None, reason="the reader of pages was not built (no C compiler)")

RANDOM = np.random.default_rng(8)
ROWS = 20_000


@pytest.fixture(scope="module")
def backend() -> Iterator[LocalBackend]:
    """Return an empty folder's backend."""
    with empty_backend() as made:
        yield made


def frames_of(backend: LocalBackend, chunk: StoredChunk) -> list[bytes | memoryview]:
    """Return the bytes of all frames of a chunk."""
    return list(backend.get_ranges(chunk.partition, list(chunk.location.extents)))


def expected(location: ChunkLocation, frames: list[bytes | memoryview]) -> np.ndarray:
    """Return what NumPy decodes."""
    return decode_chunk(frames, location.encoding, location.codec, location.dtype, location.shape)


def every_way(backend: LocalBackend, chunk: StoredChunk) -> list[np.ndarray | None]:
    """Decode a chunk from bytes, from its open file, and into an array."""
    location, frames = chunk.location, frames_of(backend, chunk)
    out = np.zeros(location.shape, location.dtype)
    with backend.opened(chunk.partition) as descriptor:
        return [
            decode_natively(location, frames, None, None),
            decode_natively(location, pieces(location.extents, location.checks), None, None, descriptor),
            decode_natively(location, frames, out, None),
        ]


@given(array=columns(), level=st.sampled_from([1, 3]))
@settings(max_examples=150, deadline=None)
def test_whole_chunks(backend: LocalBackend, array: np.ndarray, level: int) -> None:
    (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, level)])
    ways = every_way(backend, chunk)
    if chunk.location.spec is None or not array.size:
        assert ways == [None] * 3
        return
    assert [way is not None and way.tobytes() for way in ways] == [array.tobytes()] * 3


def cases() -> list[tuple[Transformed, str]]:
    """Return codes of every width under every formula, with exceptions and without, and packed ones."""
    made: list[tuple[Transformed, str]] = []
    for code, most in (("|u1", 200), ("<u2", 60_000), ("<u4", 1 << 31), ("<u8", 1 << 52)):
        codes = RANDOM.integers(0, most, ROWS, dtype=np.uint64).astype(code)
        for dtype in ("<f4", "<f8"):
            made.append((Transformed(Transform("decimal", code, -7, 100), codes), dtype))
            exceptions = (0x7FC00001, 0x80000000, 0x12345678)
            item = Transform("decimal", code, 3, 1, most - 3, exceptions)
            made.append(
                (
                    Transformed(
                        item, np.concatenate([codes[:-9], np.array([most - 3, most - 1] * 4 + [0])]).astype(code)
                    ),
                    dtype,
                )
            )
        for dtype in ("|u1", "<i2", "<u4", "<i8"):
            made.append((Transformed(Transform("offset", code, -(10**9)), codes), dtype))
        small = (codes % 190).astype(code)
        for dtype in ("|i1", "<u2", "<f4", "<f8"):
            table = np.frombuffer(RANDOM.bytes(190 * np.dtype(dtype).itemsize), dtype)
            made.append((Transformed(Transform("dictionary", code), small, table), dtype))
    made += [(Transformed(Transform("plain", kind), RANDOM.integers(0, 99, ROWS).astype(kind)), kind)
             for kind in ("|u1", "<i2", "<f4", "<f8", "|b1")]  # fmt: skip
    for top in (2, 4, 16):
        codes = RANDOM.integers(0, top, ROWS).astype("u1")
        for dtype in ("|u1", "<u2", "<i4", "<f8"):
            table = np.frombuffer(RANDOM.bytes(top * np.dtype(dtype).itemsize), dtype)
            made.append((Transformed(Transform("dictionary", "|u1"), codes, table), dtype))
        made.append((Transformed(Transform("decimal", "|u1", 5, 10), codes), "<f4"))
        made.append((Transformed(Transform("plain", "|u1"), codes), "|u1"))
    return made


@pytest.mark.parametrize("rows", [ROWS, 4_096, 1, 777])
def test_every_formula_and_width(backend: LocalBackend, rows: int) -> None:
    """Whole, and some rows; the last page is partly filled."""
    wanted = RANDOM.permutation(rows)[:40].astype(np.intp)
    chunks = []
    for number, (item, dtype) in enumerate(cases()):
        part = Transformed(item.transform, item.codes[:rows], item.table)
        chunks.append(_encode(number.to_bytes(32, "big"), np.zeros(rows, dtype), part, 3))
    stored = store(backend, chunks)
    whole = []
    for chunk in stored:
        assert chunk.location.spec is not None
        whole.append(expected(chunk.location, frames_of(backend, chunk)))
        for way in every_way(backend, chunk):
            assert way is not None
            assert way.tobytes() == whole[-1].tobytes(), chunk.location.codec
    points = [Point(chunk, wanted) for chunk in stored]
    found = read_points(backend.get_ranges, points)
    assert [item.tobytes() for item in found] == [array[wanted].tobytes() for array in whole]


def test_maps(backend: LocalBackend) -> None:
    """Arrays of several dimensions, whose rows are longer than a value."""
    arrays = [RANDOM.normal(size=(700, 3, 5)).round(2), RANDOM.normal(size=(900, 7)).astype("<f4")]
    for array in arrays:
        (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, 3)])
        assert [way is not None and way.tobytes() for way in every_way(backend, chunk)] == [array.tobytes()] * 3


def test_codes_without_a_value(backend: LocalBackend) -> None:
    """A code outside of its table or of its exceptions is left to NumPy, which tells what is wrong."""
    codes = np.full(500, 3, "u1")
    wide = np.full(500, 3, "<u2")
    table = np.arange(3, dtype="<f8")
    packed = np.full(500, 3, "u1")
    items = [
        Transformed(Transform("dictionary", "|u1"), np.where(np.arange(500) == 77, 200, codes).astype("u1"), table),
        Transformed(Transform("dictionary", "<u2"), wide, table),
        Transformed(Transform("dictionary", "|u1"), packed, table),
        Transformed(Transform("decimal", "|u1", 0, 1, 2, (1,)), codes),
        Transformed(Transform("decimal", "<u2", 0, 1, 2, (1,)), wide),
        Transformed(Transform("decimal", "<u4", 0, 1, 3, (1 << 40,)), wide.astype("<u4")),
    ]
    dtypes = ["<f8"] * 5 + ["<f4"]
    chunks = [
        _encode(bytes([number]) * 32, np.zeros(500, dtype), item, 3)
        for number, (item, dtype) in enumerate(zip(items, dtypes, strict=True))
    ]
    for chunk in store(backend, chunks):
        assert every_way(backend, chunk) == [None] * 3
        with pytest.raises(CorruptPartitionError):
            expected(chunk.location, frames_of(backend, chunk))
        with pytest.raises(CorruptPartitionError):
            read_points(backend.get_ranges, [Point(chunk, np.array([77], np.intp))])


def test_every_flipped_byte_of_a_chunk(backend: LocalBackend) -> None:
    """NumPy and the compiled reader refuse the same, also a byte more or fewer, and a frame without its checksum."""
    array = RANDOM.integers(0, 50, 9_000) / 10
    (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, 3)])
    frames = [bytes(frame) for frame in frames_of(backend, chunk)]
    damaged = [[frame + b"\0", frame[:-1], b"", frame[:5]] for frame in frames]
    for number, frame in enumerate(frames):
        for place in [*range(30), *range(30, len(frame), 17), len(frame) - 1]:
            changed = bytearray(frame)
            changed[place] ^= 1 << (place % 8)
            damaged[number].append(bytes(changed))
    for number, several in enumerate(damaged):
        for bad in several:
            given = [*frames[:number], bad, *frames[number + 1 :]]
            found = decode_natively(chunk.location, given, None, None)
            try:
                theirs = expected(chunk.location, given).tobytes()
            except CorruptPartitionError:
                theirs = None
            assert (None if found is None else found.tobytes()) == theirs
            assert theirs in (None, array.tobytes())  # a header has a bit that means nothing
    swapped = [frames[1], frames[0], *frames[2:]]
    found = decode_natively(chunk.location, swapped, None, None)  # whole pages, which only the address tells apart
    assert found is None or found.tobytes() != array.tobytes()


def test_the_damaged_chunk_of_many_is_named(backend: LocalBackend, tmp_path: Path) -> None:
    """Through a reader: other chunks of the same calls are read, the damaged one is refused with its own message."""
    arrays = [RANDOM.normal(size=ROWS).round(3) for _ in range(30)]
    data, locations = build_partition([encode_chunk(chunk_hash(array), array, 3) for array in arrays])
    broken = bytearray(data)
    offset, size = locations[17].extents[2]
    broken[offset + size // 2] ^= 8
    own = LocalBackend(tmp_path)
    name = f"{bytes_hash(data).hex()}.h5"
    own.put_if_absent(name, bytes(broken))
    chunks = [StoredChunk(number, name, location) for number, location in enumerate(locations, 1)]
    codec = locations[17].codec
    assert codec is not None
    row = np.array([2 * codec.rows + 5], np.intp)
    by_address = {chunk_hash(array): array for array in arrays}
    for rows in (None, row):
        reader = ChunkReader(own, 0)
        good = [ChunkRequest(chunk, rows) for chunk in chunks if chunk.location is not locations[17]]
        tally = ReadTally()
        for request, array in zip(good, reader.read(good, tally), strict=True):
            whole = by_address[request.chunk.address]
            assert array.tobytes() == (whole if rows is None else whole[rows]).tobytes()
        assert tally.chunks == 29
        assert tally.stored_bytes > 0
        with pytest.raises(CorruptPartitionError, match="does not decompress"):
            reader.read([ChunkRequest(chunk, rows) for chunk in chunks])
        reader.close()
    own.close()


def test_a_missing_or_short_file(backend: LocalBackend, tmp_path: Path) -> None:
    array = RANDOM.normal(size=ROWS)
    data, locations = build_partition([encode_chunk(chunk_hash(array), array, 3)])
    name = f"{bytes_hash(data).hex()}.h5"
    chunk = StoredChunk(1, name, locations[0])
    own = LocalBackend(tmp_path)
    for rows in (None, np.array([3, ROWS - 1], np.intp)):
        reader = ChunkReader(own, 0)
        with pytest.raises(CorruptPartitionError, match="is missing"):
            reader.read([ChunkRequest(chunk, rows)])
        reader.close()
    own.put_if_absent(name, data)
    os.truncate(tmp_path / name[:2] / name, locations[0].extents[-1][0] + 1)
    for rows in (None, np.array([3, ROWS - 1], np.intp)):
        reader = ChunkReader(own, 0)
        with pytest.raises(CorruptPartitionError, match="ends before byte"):
            reader.read([ChunkRequest(chunk, rows)])
        reader.close()
    own.close()


def test_nothing_is_believed() -> None:
    """Descriptions that are cut off, contradict themselves or promise too much, jobs outside of their frames."""
    assert page_kernels is not None
    array = RANDOM.integers(0, 99, 5_000).astype("u1")
    encoded = encode_chunk(chunk_hash(array), array, 3)
    spec = page_spec("pages", encoded.codec, "|u1", (5_000,))
    assert spec is not None
    frames: list[bytes | memoryview] = list(encoded.pages)
    out = np.empty(5_000, "u1")
    assert page_kernels.decode(spec, frames, out, -1)
    assert not page_kernels.decode(spec[:-1], frames, out, -1)
    assert not page_kernels.decode(spec, frames[:0], out, -1)
    assert not page_kernels.decode(spec, frames, np.empty(500_000, "u1"), -1)
    for field in range(7):
        for value in (-1, 1 << 30, 1 << 62, 3):
            numbers = bytearray(spec)
            numbers[8 * field : 8 * field + 8] = value.to_bytes(8, "little", signed=True)
            page_kernels.decode(bytes(numbers), frames, np.empty(5_000, "u1"), -1)
            cuts = np.array([0, 4, 0], np.int64).tobytes()
            page_kernels.points([(bytes(numbers), 0, cuts, np.empty(8, "u1"), None)], frames, -1)
    for cut in ([9, 0, 0], [-1, 0, 0], [0, 1 << 40, 0], [0, -1, 0], [0, 0, 8], [0, 0, -1]):
        job = (spec, 0, np.array(cut, np.int64).tobytes(), np.empty(8, "u1"), None)
        assert page_kernels.points([job], frames, -1) == 0
    for first in (-1, len(frames), 1 << 40):
        job = (spec, first, np.zeros(3, np.int64).tobytes(), np.empty(8, "u1"), None)
        assert page_kernels.points([job], frames, -1) == 0
    assert page_kernels.points([], [], -1) == -1
    with pytest.raises((TypeError, BufferError, ValueError)):
        page_kernels.decode(spec, frames, np.broadcast_to(out[:1], 5_000), -1)


def packed(*numbers: int) -> bytes:
    return np.array(numbers, np.int64).tobytes()


def test_no_row_of_an_open_file_is_believed(backend: LocalBackend) -> None:
    """Nor spans of text: descriptions that contradict themselves, frames and cuts that lie elsewhere."""
    assert page_kernels is not None
    array = RANDOM.integers(0, 99, 50_000).astype("u1")
    (chunk,) = store(backend, [encode_chunk(chunk_hash(array), array, 3)])
    assert chunk.location.for_rows is not None
    spec, frames = chunk.location.for_rows
    step = chunk.location.codec.rows if chunk.location.codec is not None else 0
    out, sums = np.zeros(4, "u1"), np.zeros(4, np.int64)
    with backend.opened(chunk.partition) as file:

        def rows(spec: bytes = spec, frames: bytes = frames, cuts: bytes = packed(7, 0), file: int = file) -> int:
            return page_kernels.rows([(out, sums, [(file, spec, frames, cuts)])])

        def spans(spec: bytes = spec, frames: bytes = frames, cuts: bytes = packed(7, 2, 0), file: int = file) -> int:
            return page_kernels.spans([(out, None, [(file, spec, frames, cuts)])])

        first = chunk.location.extents[0][1]
        assert rows() == spans() == first
        assert rows(cuts=packed(7, 0, 3, 2, step + 1, 1)) == sum(size for _, size in chunk.location.extents[:2])
        assert (out == array[[7, step + 1, 3, 0]])[:3].all()
        assert sums[:3].tolist() == [array[:7].sum(), array[step], array[:3].sum()]
        assert spans(cuts=packed(step - 1, 3, 1)) > first
        assert out[1:].tobytes() == array[step - 1 : step + 2].tobytes()
        for way, good in ((rows, [7, 0]), (spans, [7, 2, 0])):
            assert way(cuts=b"") == 0
            assert way(file=-1) == way(file=1 << 20) == way(spec=spec[:-1]) == way(frames=b"") == -1
            for place in range(len(good)):
                for value in (-1, 1 << 30, 1 << 62, (1 << 63) - 1, -(1 << 63)):
                    cuts = [*good[:place], value, *good[place + 1 :]]
                    assert way(cuts=packed(*cuts)) == -1
            for place in range(3):
                for value in (-2, 0, 5, 1 << 30, 1 << 62, (1 << 63) - 1, -(1 << 63)):
                    numbers = np.frombuffer(frames, np.int64).copy()
                    numbers[place] = value
                    assert way(frames=numbers.tobytes()) in (-1, first), "a checksum below 0 is one that nobody knows"
            for field in range(7):
                for value in (-1, 1 << 30, 1 << 62, 3):
                    twisted = bytearray(spec)
                    twisted[8 * field : 8 * field + 8] = value.to_bytes(8, "little", signed=True)
                    way(spec=bytes(twisted))
        assert rows(cuts=packed(*[7, 0] * 64)) == first
        assert rows(cuts=packed(*[7, 0] * 65)) == -1
        assert page_kernels.rows([(out[:0], None, [(file, spec, frames, packed(7, 0))])]) == -1
        assert page_kernels.rows([(out, sums[:0], [(file, spec, frames, packed(7, 0))])]) == -1
        with pytest.raises((TypeError, BufferError, ValueError)):
            page_kernels.rows([(b"abc", None, [])])  # type: ignore[list-item]
        with pytest.raises(TypeError):
            page_kernels.spans([(out, None, [(file, spec)])])  # type: ignore[list-item]


def test_without_it_the_answers_are_the_same(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = [RANDOM.normal(size=ROWS).round(2), RANDOM.integers(0, 9, ROWS), RANDOM.normal(size=ROWS).astype("<f2")]
    stored = store(backend, [encode_chunk(chunk_hash(array), array, 3) for array in arrays])
    rows = RANDOM.integers(0, ROWS, 20).astype(np.intp)
    requests = [ChunkRequest(chunk, wanted) for chunk in stored for wanted in (None, rows)]

    def read() -> list[bytes]:
        reader = ChunkReader(backend, 0)
        try:
            return [array.tobytes() for array in reader.read(requests)]
        finally:
            reader.close()

    ours = read()
    for module in (chunk_reader, native_chunk, point_reader):
        monkeypatch.setattr(module, "page_kernels", None)
    assert read() == ours


def test_it_can_be_switched_off() -> None:
    program = "from mistique_core.native import page_kernels; print(page_kernels)"
    environment = {**os.environ, "MISTIQUE_KERNELS": "off"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "None"
