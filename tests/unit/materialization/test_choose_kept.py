"""What stays stored, against the definitions of the thesis (5.5.2)."""

from __future__ import annotations

import itertools
from collections.abc import Set
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.materialization import Adaptive, Budget, Candidate, KeepAll, choose_kept, levels, parse_policy

GB = 1e9
WHOLE = (0,)
"""Positions of what is judged as a whole."""


@st.composite
def chains(draw: st.DrawFn) -> list[tuple[Candidate, float]]:
    """Draw a chain of candidates, each made from the one before, with the seconds of its own stage."""
    size = draw(st.integers(0, 6))
    return [
        (
            _whole(item, draw(st.floats(0.01, 1)), draw(st.integers(1, 10**9)), draw(st.integers(0, 5))),
            draw(st.floats(0.01, 10)),
        )
        for item in range(size)
    ]


def _whole(item: int, read: float, size: int, queries: int) -> Candidate:
    """An intermediate that is one chunk, of its own."""
    return Candidate(item, WHOLE, read, size, queries, frozenset({item}))


def _sizes(items: list[Candidate]) -> dict[int, int]:
    return {item.id: int(item.stored_bytes) for item in items}


def rerun_of(chain: list[tuple[Candidate, float]]) -> Any:
    def rerun(item: int, kept: Set[int]) -> float:
        total = 0.0
        for number in range(item, -1, -1):
            total += chain[number][1]
            if number - 1 in kept:
                return total + chain[number - 1][0].read_seconds
        return total

    return rerun


@settings(deadline=None)
@given(chains(), st.floats(0, 1e6))
def test_adaptive_keeps_exactly_what_passes_the_threshold(
    chain: list[tuple[Candidate, float]], threshold: float
) -> None:
    rerun = rerun_of(chain)
    kept = choose_kept([item for item, _ in chain], Adaptive(threshold), rerun, {})
    for item, _ in chain:
        before = {other for other, _ in kept if other < item.id}
        gamma = (rerun(item.id, before) - item.read_seconds) * item.queries / (item.stored_bytes / GB)
        assert (item.part in kept) == (gamma >= threshold)


@settings(deadline=None)
@given(chains())
def test_what_nobody_asked_for_does_not_stay(chain: list[tuple[Candidate, float]]) -> None:
    kept = choose_kept([item for item, _ in chain], Adaptive(), rerun_of(chain), {})
    assert all(chain[item][0].queries for item, _ in kept)


@settings(deadline=None)
@given(chains(), st.integers(0, 3 * 10**9))
def test_a_budget_is_kept_and_used(chain: list[tuple[Candidate, float]], limit: int) -> None:
    items = [item for item, _ in chain]
    rerun = rerun_of(chain)
    kept = {item for item, _ in choose_kept(items, Budget(limit), rerun, _sizes(items))}
    left = limit - sum(item.stored_bytes for item in items if item.id in kept)
    assert left >= 0
    for item in items:
        if item.id not in kept and item.stored_bytes <= left:
            assert rerun(item.id, kept) <= item.read_seconds
    if kept and len(items) > 1:
        first = max(
            (item for item in items if item.stored_bytes <= limit),
            key=lambda item: (rerun(item.id, set()) - item.read_seconds) * max(item.queries, 1) / item.stored_bytes,
        )
        assert first.id in kept


def test_everything_stays_with_the_other_policies() -> None:
    items = [_whole(number, 1.0, 10, 0) for number in range(3)]
    for name in ("dedup", "store_all"):
        found = choose_kept(items, parse_policy(name), lambda _item, _kept: 0.0, {})
        assert found == {(number, WHOLE) for number in range(3)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("dedup", KeepAll("dedup")),
        ("store_all", KeepAll("store_all")),
        ("adaptive", Adaptive()),
        ({"policy": "adaptive", "gamma_min": 7}, Adaptive(7.0)),
        ({"policy": "budget", "bytes": 100}, Budget(100)),
        (Budget(5), Budget(5)),
    ],
)
def test_policies_are_parsed(value: Any, expected: Any) -> None:
    assert parse_policy(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("adaptiv", "did you mean 'adaptive'"),
        (3, "policy 3 is none"),
        ({"policy": "budget"}, "needs bytes"),
        ({"policy": "budget", "bytes": -1}, "bytes=-1"),
        ({"policy": "adaptive", "gamma_mn": 1}, "no option 'gamma_mn'; did you mean 'gamma_min'"),
        ({"policy": "adaptive", "gamma_min": float("nan")}, "gamma_min=nan"),
        ({"policy": "dedup", "bytes": 1}, "no option 'bytes'"),
    ],
)
def test_other_policies_are_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_policy(value)


def test_choosing_is_stable() -> None:
    """The same input gives the same choice, whatever the order of equal candidates."""
    items = [_whole(number, 0.1, 100, 1) for number in range(3)]
    choices = {
        frozenset(choose_kept(list(order), Budget(300), lambda _item, _kept: 1.0, _sizes(items)))
        for order in itertools.permutations(items)
    }
    assert choices == {frozenset((number, WHOLE) for number in range(3))}


def test_columns_asked_for_equally_often_are_judged_together() -> None:
    assert levels([3, 0, 3, 1, 0]) == [(3, (0, 2)), (1, (3,)), (0, (1, 4))]
    assert levels([]) == []


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sets(st.integers(0, 7), min_size=1)), max_size=6),
    st.integers(0, 120),
)
def test_what_several_share_counts_once_in_a_budget(drawn: list[tuple[int, int, set[int]]], limit: int) -> None:
    """Chunk n takes n + 1 tens of bytes; the sum of the kept ones, each once, is what the budget is about."""
    sizes = {chunk: 10 * (chunk + 1) for chunk in range(8)}
    items = [
        Candidate(number // 2, (number % 2,), 0.1, 1.0, queries, frozenset(chunks))
        for number, (_, queries, chunks) in enumerate(drawn)
    ]
    kept = choose_kept(items, Budget(limit), lambda _item, _kept: 1.0, sizes)
    held = set().union(*(item.chunks for item in items if item.part in kept))
    assert sum(sizes[chunk] for chunk in held) <= limit
    for item in items:
        if item.part not in kept:
            assert sum(sizes[chunk] for chunk in held | item.chunks) > limit, "what still fits is kept"


def test_a_rerun_begins_only_at_what_is_kept_as_a_whole() -> None:
    asked: list[frozenset[int]] = []

    def rerun(item: int, kept: Set[int]) -> float:
        asked.append(frozenset(kept))
        return 1.0

    hot, cold, later = (
        Candidate(1, (0,), 0.1, 1e3, 5),
        Candidate(1, (1,), 0.1, 1e3, 0),
        Candidate(2, (0,), 0.1, 1e3, 5),
    )
    assert choose_kept([hot, cold, later], Adaptive(500), rerun, {}) == {hot.part, later.part}
    assert asked[-1] == frozenset()
