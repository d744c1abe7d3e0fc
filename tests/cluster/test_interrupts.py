"""Signals end a program where it can be ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from operators.demo.interrupts import Interrupts

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = {number: signal.getsignal(number) for number in BOTH}
    made = Interrupts()
    made.listen()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_interrupts(interrupts: Interrupts, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_waits_for_the_end_of_what_belongs_together(interrupts: Interrupts, number: signal.Signals) -> None:
    steps = []

    def work() -> None:
        with interrupts.put_off():
            with interrupts.put_off():
                os.kill(os.getpid(), number)
                steps.append("first")
            steps.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["first", "second"]
    with interrupts.put_off():
        steps.append("third")


def test_an_error_goes_on_although_a_signal_came(interrupts: Interrupts) -> None:
    def fail() -> None:
        with interrupts.put_off():
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail()


def test_a_second_signal_does_not_end_the_end(interrupts: Interrupts) -> None:
    with interrupts.ignored():
        os.kill(os.getpid(), signal.SIGTERM)
    with interrupts.put_off():
        pass
