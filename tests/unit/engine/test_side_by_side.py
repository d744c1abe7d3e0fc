"""Work is shared among threads, in any order, and every error arrives."""

import threading

import pytest

from mistique_core.engine import side_by_side
from mistique_core.engine.side_by_side import SideBySide


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "usable_cores", lambda: 4)


def test_results_are_in_order() -> None:
    threads = SideBySide(8)
    assert threads.run(lambda number: number * number, 500) == [number * number for number in range(500)]
    assert threads.run(lambda number: number, 0) == []
    assert threads.run(lambda number: number, 1) == [0]
    threads.close()
    assert threads.run(str, 3) == ["0", "1", "2"]
    threads.close()


def test_others_take_part() -> None:
    """Two pieces that wait for each other end only if two threads work on them."""
    threads = SideBySide(2)
    both = threading.Barrier(2, timeout=20)
    threads.run(lambda _: both.wait(), 2)
    threads.close()


def test_an_error_arrives_and_ends_the_work() -> None:
    threads = SideBySide(3)
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            raise ValueError("five")
        return number

    for _ in range(20):
        begun.clear()
        with pytest.raises(ValueError, match="five"):
            threads.run(work, 100_000)
        assert len(begun) < 100_000
    assert threads.run(lambda number: number, 9) == list(range(9))
    threads.close()


def test_busy_threads_hold_nobody_up() -> None:
    """All others wait for an event that only the caller sets, after its own work is done."""
    threads = SideBySide(4)
    release = threading.Event()
    busy = threading.Thread(target=threads.run, args=(lambda _: release.wait(20), 4))
    busy.start()
    assert threads.run(lambda number: number, 50) == list(range(50))
    assert not release.is_set()
    release.set()
    busy.join()
    threads.close()


def test_one_core_makes_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "usable_cores", lambda: 1)
    threads = SideBySide(8)
    names = threads.run(lambda _: threading.current_thread().name, 10)
    assert set(names) == {threading.current_thread().name}
