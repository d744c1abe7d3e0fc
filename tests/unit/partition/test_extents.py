"""Where the pages of a chunk lie, packed into one value and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.partition import check_frames, pack_extents, unpack_extents, unpack_pages

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


CHECKS = st.integers(0, 2**32 - 1)


@given(st.integers(0, 2**48), st.lists(st.tuples(NUMBERS, SIZES, CHECKS), max_size=40), st.booleans())
def test_round_trip_with_checksums(start: int, pieces: list[tuple[int, int, int]], with_gaps: bool) -> None:
    """The checksum of each page comes back beside its extent."""
    extents = lay_out(start, [(gap if with_gaps else 0, size) for gap, size, _ in pieces])
    checks = tuple(check for _, _, check in pieces)
    packed = pack_extents(extents, checks)
    assert unpack_pages(packed, start) == (extents, checks)
    assert unpack_extents(packed, start) == extents
    assert len(packed) <= 1 + 12 * len(pieces)


def test_another_frame_is_refused() -> None:
    """However whole it is; where no checksums are known, nothing is refused."""
    frames = [b"abcd\x01\x00\x00\x00", b"abcd\x02\x00\x00\x80"]
    check_frames(frames, (1, 0x80000002))
    check_frames(frames, ())
    with pytest.raises(CorruptPartitionError, match="not the one that was written there"):
        check_frames(frames[::-1], (1, 0x80000002))


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
    widths = {0: 4, 1: 8, 2: 8, 3: 12}
    try:
        extents, checks = unpack_pages(packed, offset)
    except CorruptPartitionError:
        assert not packed or packed[0] not in widths or (len(packed) - 1) % widths[packed[0]]
        return
    assert unpack_pages(pack_extents(extents, checks), extents[0][0] if extents else offset) == (extents, checks)
