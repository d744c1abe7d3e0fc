"""How often something is repeated, and for how long."""

import time

import pytest

from mistique_core.storage.retries import Retries


def test_so_many_tries() -> None:
    assert list(Retries(5, 0.0, 60.0).attempts()) == [0, 1, 2, 3, 4]


def test_no_attempt_starts_after_the_total() -> None:
    """A pause that would end later is not begun."""
    assert list(Retries(5, 100.0, 1.0).attempts()) == [0]
    assert list(Retries(1, 0.0, 0.0).attempts()) == [0]


def test_pauses_double_and_are_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """From half of the longest pause to all of it, never more than 15 s."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    for _ in range(20):
        assert len(list(Retries(10, 0.1, 1e9).attempts())) == 10
    for position, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0]):
        taken = pauses[position::9]
        assert len(taken) == 20
        assert all(longest / 2 <= pause <= longest for pause in taken)
        assert len(set(taken)) > 1
