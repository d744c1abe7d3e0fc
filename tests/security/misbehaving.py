"""A target of the fuzzer that does, at known numbers, what none may do; it imports little, as processes start anew."""

from __future__ import annotations

import os
import time
from random import Random

from benchmarks.fuzzing.target import WrongValueError

CRASH, HANG, ERROR, LIE, GROWTH = 10, 20, 30, 31, 100
GROWN_BYTES = 200 << 20


class Misbehaving:
    """Its inputs are random numbers, from which it knows which one each is."""

    def make(self, random: Random) -> float:
        return random.random()

    def run(self, item: float) -> str:
        number = NUMBERS.get(item)
        if number == CRASH:
            os.abort()
        if number == HANG:
            time.sleep(60)
        if number == ERROR:
            raise ZeroDivisionError("no refusal")
        if number == LIE:
            raise WrongValueError("one in place of two")
        return str(len(bytearray(b"x") * GROWN_BYTES) > 0) if number == GROWTH else "fine"

    def close(self) -> None:
        pass


SEED = 1
NUMBERS = {Random((SEED << 40) + number).random(): number for number in (CRASH, HANG, ERROR, LIE, GROWTH)}
