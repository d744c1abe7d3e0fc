"""How densely a usual run tries the points at which something may go wrong; ``make sweeps`` tries each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

EVERY_POINT = "MISTIQUE_EVERY_POINT"
IS_EVERY = os.environ.get(EVERY_POINT) == "true"
FIRST, STEP = 4, 5
"""Without end, a usual run tries the points 1 to 4, and then every fifth."""

Item = TypeVar("Item")


def tried_points() -> Iterator[int]:
    """Yield 1, 2, 3, ... or, in a usual run, some of these; whoever asks ends it."""
    if IS_EVERY:
        yield from itertools.count(1)
    yield from range(1, FIRST)
    yield from itertools.count(FIRST, STEP)


def some(items: Sequence[Item], step: int) -> Sequence[Item]:
    """Return all items or, in a usual run, every `step`-th."""
    return items if IS_EVERY else items[::step]
