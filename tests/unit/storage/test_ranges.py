"""Ranges that are fetched together cover every wanted byte once, and not much more."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mistique_core.storage.ranges import coalesce

RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), max_size=12)


@given(RANGES, st.integers(0, 40), st.integers(1, 100))
def test_every_range_lies_in_its_span(ranges: list[tuple[int, int]], gap_bytes: int, span_bytes: int) -> None:
    spans = coalesce(ranges, gap_bytes, span_bytes)
    members = [position for span in spans for position in span.members]
    assert sorted(members) == [position for position, (_, size) in enumerate(ranges) if size]
    wanted = {byte for offset, size in ranges for byte in range(offset, offset + size)}
    for span in spans:
        for position in span.members:
            offset, size = ranges[position]
            assert span.start <= offset
            assert offset + size <= span.end
        assert {span.start, span.end - 1} <= wanted
        longest = max(ranges[position][1] for position in span.members)
        assert span.end - span.start <= max(span_bytes, longest)
        unwanted = 0
        for byte in range(span.start, span.end):
            unwanted = 0 if byte in wanted else unwanted + 1
            assert unwanted <= gap_bytes
    assert [span.start for span in spans] == sorted(span.start for span in spans)


@given(RANGES, st.integers(0, 40))
def test_far_ranges_are_fetched_apart_and_near_ones_together(ranges: list[tuple[int, int]], gap_bytes: int) -> None:
    """Without a limit of a span, two spans are always further apart than the gap."""
    spans = coalesce(ranges, gap_bytes, 10**9)
    for before, after in itertools.pairwise(spans):
        assert after.start - before.end > gap_bytes
