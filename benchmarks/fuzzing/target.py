"""What a target of the fuzzer is: valid inputs, mutations of them, and what may become of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol


class WrongValueError(AssertionError):
    """An input was accepted, and gave something else than what it says."""


class Target(Protocol):
    """Makes inputs from random numbers, and tries them."""

    def make(self, random: Random) -> Any:
        """Return an input; equal states of `random` give equal inputs."""

    def run(self, item: Any) -> str:
        """Try an input and return a word for what became of it, such as ``refused``.

        Raises
        ------
        WrongValueError
            If it was accepted, and gave something else than what it says.
        Exception
            Anything else is a failure too: what is refused is refused by a ``MistiqueError``, which this catches.
        """

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class TargetFactory:
    """How a target is made, in the process that tries its inputs.

    Attributes
    ----------
    make
        Makes it.
    most_bytes
        By how much the memory of that process may grow, in bytes.
    most_seconds
        How long one input may take.
    """

    make: Callable[[], Target]
    most_bytes: int = 256 * 1024 * 1024
    most_seconds: float = 10.0


def random_of(seed: int, number: int) -> Random:
    """Return the random numbers of one input, which depend on nothing else."""
    return Random((seed << 40) + number)
