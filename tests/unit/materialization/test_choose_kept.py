"""What stays stored, against the definitions of the thesis (5.5.2)."""

from __future__ import annotations

import itertools
from collections.abc import Set
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.materialization import Adaptive, Budget, Candidate, KeepAll, choose_kept, parse_policy

GB = 1e9


@st.composite
def chains(draw: st.DrawFn) -> list[tuple[Candidate, float]]:
    """Draw a chain of candidates, each made from the one before, with the seconds of its own stage."""
    size = draw(st.integers(0, 6))
    return [
        (
            Candidate(item, draw(st.floats(0.01, 1)), draw(st.integers(1, 10**9)), draw(st.integers(0, 5))),
            draw(st.floats(0.01, 10)),
        )
        for item in range(size)
    ]


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
    kept = choose_kept([item for item, _ in chain], Adaptive(threshold), rerun)
    for item, _ in chain:
        before = {other for other in kept if other < item.id}
        gamma = (rerun(item.id, before) - item.read_seconds) * item.queries / (item.stored_bytes / GB)
        assert (item.id in kept) == (gamma >= threshold)


@settings(deadline=None)
@given(chains())
def test_what_nobody_asked_for_does_not_stay(chain: list[tuple[Candidate, float]]) -> None:
    kept = choose_kept([item for item, _ in chain], Adaptive(), rerun_of(chain))
    assert all(chain[item][0].queries for item in kept)


@settings(deadline=None)
@given(chains(), st.integers(0, 3 * 10**9))
def test_a_budget_is_kept_and_used(chain: list[tuple[Candidate, float]], limit: int) -> None:
    items = [item for item, _ in chain]
    rerun = rerun_of(chain)
    kept = choose_kept(items, Budget(limit), rerun)
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
    items = [Candidate(number, 1.0, 10, 0) for number in range(3)]
    for name in ("dedup", "store_all"):
        assert choose_kept(items, parse_policy(name), lambda _item, _kept: 0.0) == {0, 1, 2}


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
    items = [Candidate(number, 0.1, 100, 1) for number in range(3)]
    choices = {
        frozenset(choose_kept(list(order), Budget(300), lambda _item, _kept: 1.0))
        for order in itertools.permutations(items)
    }
    assert choices == {frozenset({0, 1, 2})}
