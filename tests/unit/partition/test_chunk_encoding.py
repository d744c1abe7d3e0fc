"""Chunks come back as they were, whole or page by page, and damaged ones never come back as something else."""

import struct
import tracemalloc

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.dedup import chunk_hash
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import Codec, EncodedChunk, decode_chunk, encode_chunk
from mistique_core.partition.encoding import PAGES, decode_pages, decode_table, decode_values
from mistique_core.partition.pages import compress_pages, decompress_page, page_rows
from tests.unit.partition.chunk_values import SIZES, columns, tensors

RANDOM = np.random.default_rng(3)
SAMPLES = {
    "plain": RANDOM.normal(size=(70, 3)),
    "bytes": np.array([5, 200, 7, 90] * 400, "u1"),
    "decimal": np.where(np.arange(600) % 7, (np.arange(600) * 0.37).round(2), np.nan),
    "offset": 10**12 + np.arange(300) ** 2,
    "dictionary": RANDOM.choice(RANDOM.normal(size=9), 300),
    "levels": RANDOM.choice(RANDOM.normal(size=256), (40, 8, 8, 3)).astype("f4"),
    "sparse": np.maximum(RANDOM.normal(size=(3, 50, 40)), 0).astype("f4"),
    "digits": RANDOM.poisson(0.8, (3, 50, 40)).astype("i1") - RANDOM.poisson(0.4, (3, 50, 40)).astype("i1"),
}


def frames_of(chunk: EncodedChunk) -> list[bytes]:
    """Return the frames in the order in which they lie in a file."""
    return [*([] if chunk.table is None else [chunk.table]), *chunk.pages]


def decode(chunk: EncodedChunk, frames: list[bytes] | None = None) -> np.ndarray:
    """Decode a chunk, perhaps from other frames than its own."""
    found = frames_of(chunk) if frames is None else frames
    return decode_chunk(found, PAGES, chunk.codec, chunk.dtype, chunk.shape)


def assert_same_bits(back: np.ndarray, array: np.ndarray) -> None:
    """Fail unless dtype, shape and every bit are equal."""
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@settings(deadline=None, max_examples=300)
@given(columns() | tensors(), st.sampled_from([1, 3, 19]))
def test_round_trip(array: np.ndarray, level: int) -> None:
    """Bytes, dtype and shape, at any level; never much larger than the array."""
    chunk = encode_chunk(chunk_hash(array), array, level)
    assert_same_bits(decode(chunk), array)
    assert chunk.raw_bytes == array.nbytes
    assert chunk.stored_bytes == sum(map(len, frames_of(chunk)))
    assert chunk.stored_bytes <= 1.02 * array.nbytes + 64 * (len(chunk.pages) + 1)
    assert Codec.from_json(chunk.codec.to_json()) == chunk.codec


@pytest.mark.parametrize("distinct", [64, 200, 255, 280, 299])
def test_a_table_that_is_larger_than_the_values_is_not_made(distinct: int) -> None:
    random = np.random.default_rng(distinct)
    words = random.integers(0, 2**32, distinct, dtype="u4")
    array = np.concatenate([words, random.choice(words, 300 - distinct)])
    chunk = encode_chunk(chunk_hash(array), array, 3)
    assert_same_bits(decode(chunk), array)
    assert chunk.stored_bytes <= 1.02 * array.nbytes + 64 * (len(chunk.pages) + 1)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_some_pages_decode_alone(data: st.DataObject) -> None:
    """The values of any pages are those rows of the array."""
    array = data.draw(columns(sizes=SIZES[1:]))
    chunk = encode_chunk(chunk_hash(array), array, 3)
    rows = chunk.codec.rows
    numbers = data.draw(st.lists(st.integers(0, len(chunk.pages) - 1), min_size=1, max_size=3, unique=True))
    table = None if chunk.table is None else decode_table(chunk.codec, chunk.dtype, chunk.table)
    codes = decode_pages(chunk.codec, chunk.shape, [chunk.pages[number] for number in numbers])
    assert len(codes) == rows * len(numbers)
    for place, number in enumerate(numbers):
        wanted = array[number * rows : (number + 1) * rows]
        part = codes[place * rows : place * rows + len(wanted)]
        assert_same_bits(decode_values(chunk.codec, part, chunk.dtype, table), wanted)


@given(st.integers(1, 10**7), st.integers(1, 10**6), st.sampled_from([4_096, 16_384, 32_768]))
def test_pages_are_short_but_not_too_short(rows: int, row_bytes: int, page_bytes: int) -> None:
    """32 KiB or 4,096 rows at most, never more than 64 KiB unless one row is; as few as that allows, little filling.

    Of four pages or more, all have a power of two of rows where they may, so that each plane is a block by itself.
    """
    found = page_rows(rows, row_bytes, page_bytes)
    most = max(1, min(max(4_096, page_bytes // row_bytes), 65_536 // row_bytes))
    assert 1 <= found <= most
    pages = -(-rows // found)
    assert pages == -(-rows // most)
    if pages >= 4 and most.bit_count() == 1:
        assert found == most
    else:
        assert found * pages - rows < pages


@pytest.mark.parametrize(
    ("array", "rows"),
    [
        (RANDOM.integers(0, 250, 65_536) * 0.1, 4_096),
        (RANDOM.integers(0, 30_000, 65_536), 4_096),
        (RANDOM.normal(size=65_536), 4_096),
        (RANDOM.integers(0, 2, 65_536) * 0.5, 16_384),
        (RANDOM.integers(97, 123, 65_536).astype("u1"), 32_768),
        (RANDOM.integers(97, 123, (65_536, 2)).astype("u1"), 16_384),
    ],
)
def test_rows_of_pages(array: np.ndarray, rows: int) -> None:
    """Short for numbers, longer for few bits, longest for text."""
    assert encode_chunk(chunk_hash(array), array, 3).codec.rows == rows


@pytest.mark.parametrize("dtype", ["<u2", "<f4", "<i8"])
@pytest.mark.parametrize("size", [1, 200, 1_024, 8_192])
def test_every_plane_is_a_block_of_one_frame(dtype: str, size: int) -> None:
    """Zstandard decodes a page to the bytes that HDF5's shuffle filter makes, and checks them."""
    codes = np.frombuffer(RANDOM.bytes(size * np.dtype(dtype).itemsize), dtype)
    (page,) = compress_pages(codes, size, 3)
    planes = np.frombuffer(zstandard.ZstdDecompressor().decompress(page), "u1").reshape(codes.dtype.itemsize, size)
    assert planes.T.tobytes() == codes.tobytes()
    header = zstandard.get_frame_parameters(page)
    assert header.has_checksum
    assert header.content_size == codes.nbytes


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_a_block_for_each_plane_is_smaller(dtype: str) -> None:
    """That is why pages have one block a plane: one entropy code for unlike planes fits none of them."""
    predictions = RANDOM.normal(12, 0.05, 8_192).astype(dtype)
    (ours,) = compress_pages(predictions, 8_192, 3)
    planes = np.ascontiguousarray(predictions.view("u1").reshape(8_192, -1).T).tobytes()
    assert len(ours) < min(len(zstandard.ZstdCompressor(level=level).compress(planes)) for level in (1, 3, 9))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_truncated_chunk_is_refused(name: str) -> None:
    """Every frame at every length short of the whole fails, and so does a frame too few."""
    chunk = encode_chunk(chunk_hash(SAMPLES[name]), SAMPLES[name], 3)
    frames = frames_of(chunk)
    for number, frame in enumerate(frames):
        for length in range(len(frame)):
            with pytest.raises(CorruptPartitionError):
                decode(chunk, [*frames[:number], frame[:length], *frames[number + 1 :]])
        with pytest.raises(CorruptPartitionError):
            decode(chunk, [*frames[:number], frame + b"\0", *frames[number + 1 :]])


def test_a_page_too_few_is_refused() -> None:
    """Rows that are not there are no zeros."""
    array = np.arange(30_000.0) / 7
    chunk = encode_chunk(chunk_hash(array), array, 3)
    with pytest.raises(CorruptPartitionError):
        decode(chunk, list(chunk.pages[:-1]))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("mask", [0x01, 0x04, 0x20, 0x80, 0xFF])
def test_a_flipped_byte_fails(name: str, mask: int) -> None:
    """Every byte of every frame: it is refused, or was without meaning; no address is needed to see it."""
    array = SAMPLES[name]
    chunk = encode_chunk(chunk_hash(array), array, 3)
    frames = frames_of(chunk)
    refused = 0
    for number, frame in enumerate(frames):
        for position in range(len(frame)):
            damaged = frame[:position] + bytes([frame[position] ^ mask]) + frame[position + 1 :]
            try:
                assert_same_bits(decode(chunk, [*frames[:number], damaged, *frames[number + 1 :]]), array)
            except CorruptPartitionError:
                refused += 1
    # The values of a sparse chunk are a frame of one block for each byte plane, and each block has its unused bits.
    blocks = len(frames) + (array.dtype.itemsize - 1 if name == "sparse" else 0)
    assert refused >= sum(map(len, frames)) - 2 * blocks


@pytest.mark.parametrize("flag", range(256))
def test_no_header_switches_the_check_off(flag: int) -> None:
    """The byte of the header that says whether there is a checksum, with every other value."""
    values = bytes(600) + bytes(range(5))
    page = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(values)
    try:
        back = decompress_page(page[:4] + bytes([flag]) + page[5:], len(values))
    except CorruptPartitionError:
        return
    assert zstandard.get_frame_parameters(page[:4] + bytes([flag]) + page[5:]).has_checksum
    assert back == values


def test_frames_of_others_are_refused() -> None:
    """Without a checksum, of unknown size, two in a row, or none at all."""
    values = bytes(range(250)) * 4
    plain = zstandard.ZstdCompressor(level=1).compress(values)
    stream = zstandard.ZstdCompressor(level=1, write_checksum=True).compressobj()
    unsized = stream.compress(values) + stream.flush()
    good = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(values)
    assert decompress_page(good, len(values)) == values
    for frame in (plain, unsized, good + good, b"", good[:3], b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + good, values):
        with pytest.raises(CorruptPartitionError):
            decompress_page(frame, len(values))


def test_a_promise_of_many_bytes_allocates_nothing() -> None:
    """A header that promises a terabyte is refused before a byte is allocated, whatever the caller expects."""
    good = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(bytes(1_000))
    promise = good[:4] + bytes([0b1100_0100]) + b"\x50" + struct.pack("<Q", 1 << 40) + good[7:]
    assert zstandard.get_frame_parameters(promise).content_size == 1 << 40
    tracemalloc.start()
    try:
        with pytest.raises(CorruptPartitionError):
            decompress_page(promise, 1_000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "7", '{"rows":1,"table":0}',
        '{"rows":0,"table":0,"transform":{"kind":"plain","dtype":"|u1"}}',
        '{"rows":1,"table":-1,"transform":{"kind":"plain","dtype":"|u1"}}',
        '{"rows":1.5,"table":0,"transform":{"kind":"plain","dtype":"|u1"}}',
        '{"rows":Infinity,"table":0,"transform":{"kind":"plain","dtype":"|u1"}}',
        '{"rows":1,"table":0,"transform":[]}', "[" * 100_000,
    ],
    ids=lambda text: text[:50],
)  # fmt: skip
def test_damaged_codecs_are_refused(text: str) -> None:
    """Only what :meth:`Codec.to_json` can return is read."""
    with pytest.raises(CorruptPartitionError):
        Codec.from_json(text)


def test_unknown_encodings_are_refused() -> None:
    """A newer one says so instead of being misread."""
    with pytest.raises(CorruptPartitionError):
        decode_chunk([bytes(8)], "lzma", None, "<f8", (1,))
