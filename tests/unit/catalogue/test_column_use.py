"""Counts of queries by column: packed small, and added up without loss."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.catalogue.column_use import Uses, pack_counts, unpack_counts
from mistique_core.errors import CatalogueError


@given(st.dictionaries(st.integers(0, 5_000), st.integers(1, 1 << 40), max_size=80))
def test_counts_come_back(counts: dict[int, int]) -> None:
    assert unpack_counts(pack_counts(counts)) == Counter(counts)


def test_only_what_was_asked_for_takes_bytes() -> None:
    assert pack_counts({}) == b""
    assert len(pack_counts(dict.fromkeys(range(58), 9))) == 3, "neighbours that were asked for equally often"
    alternate = {position: position % 5 + 1 for position in range(0, 200, 2)}
    assert len(pack_counts(alternate)) <= 3 * len(alternate)


def test_what_is_no_count_is_refused() -> None:
    for packed in (b"\x01", b"\x80", b"\x01\x02\x03\x84"):
        with pytest.raises(CatalogueError, match="cannot be read"):
            unpack_counts(packed)


def test_the_least_asked_for_decides() -> None:
    uses = Uses(7, Counter({0: 5, 1: 2}))
    assert uses.of([0]) == 5
    assert uses.of([0, 1]) == 2
    assert uses.of([0, 2]) == 0
    assert Uses(7).of([3]) == 7, "counted before columns were"
