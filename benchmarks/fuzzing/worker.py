"""The process that tries inputs: a crash or a hang ends it, and shared memory says which input it was."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.target import Target, TargetFactory, WrongValueError, random_of

_STATUS = Path("/proc/self/status")
_FORGET_PEAK = Path("/proc/self/clear_refs")
_BATCH = 64
_START_SECONDS = 120.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Failure:
    """An input that did what none may do.

    Attributes
    ----------
    number
        Which one: with the seed it gives the input again.
    kind
        ``crash``, ``hang``, ``memory``, ``wrong value`` or ``error``.
    detail
        What is known of it.
    """

    number: int
    kind: str
    detail: str


@dataclass
class Tally:
    """What became of the inputs of one target.

    Attributes
    ----------
    outcomes
        Word -> number of inputs.
    failures
        Those that did what none may do.
    inputs, seconds
        How many were tried, and the wall time of it without the start of the process.
    slowest_seconds, slowest
        The longest of them, and its number.
    grown_bytes
        By how much the memory of the process grew at most.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    inputs: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    slowest: int = -1
    grown_bytes: int = 0

    def add(self, other: Tally) -> None:
        """Add what another process, or a later batch, has tried."""
        self.outcomes += other.outcomes
        self.failures += other.failures
        self.inputs += other.inputs
        self.seconds += other.seconds
        self.grown_bytes = max(self.grown_bytes, other.grown_bytes)
        if other.slowest_seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest = other.slowest_seconds, other.slowest


def fuzz(factory: TargetFactory, seed: int, first: int, count: int) -> Tally:
    """Try inputs, in a process that is started again behind each one that ends it.

    Parameters
    ----------
    factory
        Of the target.
    seed, first, count
        Which inputs: those numbered `first` to ``first + count`` (exclusive).
    """
    tally = Tally()
    while count > 0:
        found, died = _one_process(factory, seed, first, count)
        tally.add(found)
        if died is None:
            break
        tally.failures.append(died)
        tally.inputs += 1
        count -= died.number + 1 - first
        first = died.number + 1
    return tally


def _one_process(factory: TargetFactory, seed: int, first: int, count: int) -> tuple[Tally, Failure | None]:
    context = multiprocessing.get_context("spawn")
    connection, other = context.Pipe()
    current = context.Value("q", -1, lock=False)
    process = context.Process(target=_serve, args=(other, current, factory, seed, first, count), daemon=True)
    process.start()
    other.close()
    tally = Tally()
    last, since = -1, time.monotonic()
    died: Failure | None = None
    while died is None:
        if connection.poll(_POLL_SECONDS):
            try:
                message = connection.recv()
            except EOFError:
                process.join()
                died = Failure(current.value, "crash", f"the process ended with {process.exitcode}")
                break
            if message is None:
                break
            tally.add(message)
        if current.value != last:
            last, since = current.value, time.monotonic()
        allowed = _START_SECONDS if last < 0 else factory.most_seconds
        if time.monotonic() - since > allowed:
            died = Failure(last, "hang", f"longer than {allowed} seconds")
    process.kill() if died is not None else None
    process.join()
    connection.close()
    if died is not None and died.number < 0:
        raise RuntimeError(f"the process that tries inputs does not start: {died.kind}, {died.detail}")
    if died is not None:
        # What it had tried since its last message is counted, though not what became of it.
        untold = died.number - first - tally.inputs
        tally.add(Tally(Counter({"untold": untold}), inputs=untold))
    return tally, died


def _serve(connection: Connection, current: Any, factory: TargetFactory, seed: int, first: int, count: int) -> None:
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    target = factory.make()
    try:
        _try(target, seed, -1)  # what is loaded or cached once is no growth
        base = _peak_bytes()
        for start in range(first, first + count, _BATCH):
            numbers = range(start, min(start + _BATCH, first + count))
            connection.send(_batch(target, factory, seed, numbers, current, base))
        connection.send(None)
    finally:
        target.close()


def _batch(target: Target, factory: TargetFactory, seed: int, numbers: range, current: Any, base: int) -> Tally:
    tally = Tally(inputs=len(numbers))
    begin = time.perf_counter()
    for number in numbers:
        current.value = number
        start = time.perf_counter()
        _note(tally, number, lambda number=number: _try(target, seed, number))
        took = time.perf_counter() - start
        if took > tally.slowest_seconds:
            tally.slowest_seconds, tally.slowest = took, number
    tally.seconds = time.perf_counter() - begin
    tally.grown_bytes = _peak_bytes() - base
    if tally.grown_bytes > factory.most_bytes:
        tally.failures += _largest(target, factory, seed, numbers, base)
    return tally


def _note(tally: Tally, number: int, action: Callable[[], str]) -> None:
    try:
        tally.outcomes[action()] += 1
    except WrongValueError as error:
        tally.failures.append(Failure(number, "wrong value", str(error)[:2_000]))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {str(error)[:500]} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        tally.failures.append(Failure(number, "error", detail))


def _largest(target: Target, factory: TargetFactory, seed: int, numbers: range, base: int) -> list[Failure]:
    """Try inputs once more, one by one, and return those that take too much memory."""
    found = []
    for number in numbers:
        _forget_peak()
        _note(Tally(), number, lambda number=number: _try(target, seed, number))
        grown = _peak_bytes() - base
        if grown > factory.most_bytes:
            found.append(Failure(number, "memory", f"{grown:,} bytes"))
    _forget_peak()
    return found or [Failure(numbers[0], "memory", f"inputs {numbers[0]} to {numbers[-1]} together")]


def _try(target: Target, seed: int, number: int) -> str:
    return target.run(target.make(random_of(seed, number)))


def _peak_bytes() -> int:
    """Return the largest memory of this process in bytes, 0 where the system does not tell."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _forget_peak() -> None:
    try:
        _FORGET_PEAK.write_text("5")
    except OSError:
        return
