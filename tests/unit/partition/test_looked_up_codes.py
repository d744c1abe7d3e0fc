"""Codes of one byte or less are looked up; the answer is that of the formula, one value after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.bits import pack_bits
from mistique_core.partition.encoding import encode_chunk
from mistique_core.partition.location import ChunkLocation, decode_location
from mistique_core.partition.transform import Transform, invert, invert_packed

ROWS = 3_000
NAN = int(np.array([np.nan]).view(np.uint64)[0])


def by_formula(item: Transform, code: int, table: np.ndarray) -> np.float64:
    """Return the value of one code as the format's documentation has it."""
    if item.kind == "dictionary":
        return table[code]
    if item.top is not None and code >= item.top:
        return np.array([item.exceptions[code - item.top]], np.uint64).view(np.float64)[0]
    return np.float64(np.float64(code) + np.float64(item.base)) / np.float64(item.scale)


def stored_and_back(item: Transform, codes: np.ndarray, table: np.ndarray | None = None) -> np.ndarray:
    """Return the values of codes, packed where they have fewer than 8 bits."""
    if item.bits == 8:
        return invert(item, codes, "<f8", table)
    return invert_packed(item, pack_bits(codes, item.bits), len(codes), "<f8", table)


@st.composite
def items(draw: st.DrawFn, bits: int) -> tuple[Transform, np.ndarray, np.ndarray]:
    """Return a transform, codes that it allows, and a table."""
    seed, codes_below = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 1 << bits))
    random = np.random.default_rng(seed)
    codes = random.integers(0, codes_below, ROWS + draw(st.integers(0, 9)), dtype=np.uint8)
    table = random.normal(size=codes_below)
    if draw(st.booleans()):
        return Transform("dictionary", "|u1", bits=bits), codes, table
    top = draw(st.none() | st.integers(0, codes_below - 1))
    exceptions = () if top is None else (NAN, *range(codes_below - top - 1))
    base, scale = draw(st.integers(-(10**12), 10**12)), draw(st.sampled_from([1, 10, 1000]))
    return Transform("decimal", "|u1", base, scale, top, exceptions, bits=bits), codes, table


@settings(deadline=None, max_examples=80)
@given(items(8))
def test_codes_of_one_byte(made: tuple[Transform, np.ndarray, np.ndarray]) -> None:
    """Decimals with and without exceptions, and dictionaries."""
    item, codes, table = made
    expected = np.array([by_formula(item, code, table) for code in codes.tolist()])
    assert invert(item, codes, "<f8", table).tobytes() == expected.tobytes()


@settings(deadline=None, max_examples=120)
@given(st.sampled_from([1, 2, 4]).flatmap(items))
def test_packed_codes(made: tuple[Transform, np.ndarray, np.ndarray]) -> None:
    """Whatever the number of rows: a last byte may be filled up, and a last page too."""
    item, codes, table = made
    packed = np.concatenate([pack_bits(codes, item.bits), np.zeros(5, np.uint8)])
    expected = np.array([by_formula(item, code, table) for code in codes.tolist()])
    assert invert_packed(item, packed, len(codes), "<f8", table).tobytes() == expected.tobytes()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_code_beyond_the_table_is_an_error(bits: int) -> None:
    """Never another value."""
    codes = np.zeros(ROWS, np.uint8)
    codes[7] = 1
    item, table = Transform("dictionary", "|u1", bits=bits), np.array([1.5])
    with pytest.raises(CorruptPartitionError, match="table"):
        stored_and_back(item, codes, table)


@pytest.mark.parametrize("bits", [2, 8])
def test_a_code_beyond_the_exceptions_is_an_error(bits: int) -> None:
    """Neither here."""
    codes = np.zeros(ROWS, np.uint8)
    codes[7] = 3
    item = Transform("decimal", "|u1", top=2, exceptions=(NAN,), bits=bits)
    with pytest.raises(CorruptPartitionError, match="exception"):
        stored_and_back(item, codes)


@pytest.mark.parametrize("dtype", ["<u2", "<i4", "<f4", "<f8", "<i8"])
@pytest.mark.parametrize("rows", [1, 4_095, 4_096, 4_097, 20_000])
def test_planes_of_several_pages(dtype: str, rows: int) -> None:
    """The planes of all pages are joined at once, the last page's filling left out."""
    random = np.random.default_rng(rows)
    array = random.integers(0, 2**16, rows).astype(dtype) if dtype[1] != "f" else random.normal(size=rows).astype(dtype)
    chunk = encode_chunk(bytes(32), array, 3)
    frames = [*([] if chunk.table is None else [chunk.table]), *chunk.pages]
    starts = np.cumsum([0, *map(len, frames)])
    extents = tuple((int(start), len(frame)) for start, frame in zip(starts[:-1], frames, strict=True))
    location = ChunkLocation(bytes(32), dtype, array.shape, "pages", chunk.codec, extents)
    assert decode_location(location, b"".join(frames)).tobytes() == array.tobytes()
