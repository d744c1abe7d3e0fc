"""What makes room under a budget, against all subsets of small cases."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.materialization import HYSTERESIS, Holder, make_room, worth_of

SIZES = {chunk: 10 + chunk for chunk in range(6)}


def freed(going: Collection[Holder], holders: Collection[Holder], fixed: Collection[int]) -> int:
    """Bytes that nobody holds any more."""
    stay = set(fixed).union(*(holder.chunks for holder in holders if holder not in going))
    return sum(SIZES[chunk] for chunk in set().union(*(holder.chunks for holder in going)) - stay)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.frozensets(st.integers(0, 5), min_size=1)), max_size=6),
    st.sets(st.integers(0, 5), max_size=2),
    st.integers(1, 60),
)
def test_enough_is_freed_and_nothing_too_much(
    drawn: list[tuple[int, frozenset[int]]], fixed: set[int], excess: int
) -> None:
    holders = [Holder((number, (0,)), float(gamma), chunks) for number, (gamma, chunks) in enumerate(drawn)]
    going = make_room(excess, holders, fixed, SIZES)
    if going is None:
        assert freed(holders, holders, fixed) < excess
        return
    assert freed(going, holders, fixed) >= excess
    for holder in going:
        assert freed([other for other in going if other is not holder], holders, fixed) < excess
    dearest = max(holder.gamma for holder in going)
    cheaper = [holder for holder in holders if holder.gamma < dearest]
    assert freed(cheaper, holders, fixed) < excess, "the lowest gamma goes first"


def test_two_that_take_turns_do_not_evict_each_other() -> None:
    """Of two that fit only alone, asked for in turn, the first stays; one asked for far more gets its place once."""

    def evictions(order: str) -> int:
        counts = {"a": 0, "b": 0}
        kept, moves = "a", 0
        for name in order:
            counts[name] += 1
            holder = Holder((0, (0,)), counts[kept] * 100.0, frozenset({0}))
            if name != kept and counts[name] * 100.0 >= worth_of(holder):
                kept, moves = name, moves + 1
        return moves

    assert evictions("a" + "ab" * 500) == 0
    assert evictions("a" * 10 + "b" * 1_000) == 1
    assert evictions(("a" * 10 + "b" * 10) * 100) <= 2
    assert HYSTERESIS > 1
