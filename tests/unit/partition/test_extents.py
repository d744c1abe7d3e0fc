"""Where the pages of a chunk lie, packed into one value and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.partition import pack_extents, unpack_extents

NUMBERS = st.integers(0, 300) | st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 300) | st.integers(1, 2**32 - 1)


def lay_out(start: int, pieces: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return extents from the gap before each, and its size."""
    extents = []
    for number, (gap, size) in enumerate(pieces):
        start += gap if number else 0
        extents.append((start, size))
        start += size
    return tuple(extents)


@given(st.integers(0, 2**48), st.lists(st.tuples(NUMBERS, SIZES), max_size=40))
def test_round_trip(start: int, pieces: list[tuple[int, int]]) -> None:
    """Any gaps and sizes below 4 GiB, none at all included."""
    extents = lay_out(start, pieces)
    assert unpack_extents(pack_extents(extents), start) == extents


@given(st.integers(0, 2**48), st.lists(SIZES, max_size=40))
def test_neighbours_need_no_gaps(start: int, sizes: list[int]) -> None:
    """Pages one after the other take four bytes each."""
    extents = lay_out(start, [(0, size) for size in sizes])
    packed = pack_extents(extents)
    assert len(packed) == 1 + 4 * len(sizes)
    assert unpack_extents(packed, start) == extents


@pytest.mark.parametrize(
    "extents",
    [
        [(100, 5), (90, 5)],
        [(100, 5), (103, 5)],
        [(100, 5), (105, 5), (100, 5)],
        [(100, 2**32)],
        [(0, 5), (2**32 + 5, 5)],
        [(0, -1)],
    ],
)
def test_what_does_not_fit_is_refused(extents: list[tuple[int, int]]) -> None:
    """An extent that would come back as another one."""
    with pytest.raises(InvalidInputError):
        pack_extents(extents)


@given(st.binary(max_size=60), st.integers(0, 2**40))
def test_any_bytes_are_extents_or_refused(packed: bytes, offset: int) -> None:
    """What is read is a list that packs to the same extents."""
    try:
        extents = unpack_extents(packed, offset)
    except CorruptPartitionError:
        assert packed[:1] not in (b"\x00", b"\x01") or (len(packed) - 1) % (4 if packed[0] == 0 else 8)
        return
    assert unpack_extents(pack_extents(extents), extents[0][0] if extents else offset) == extents
