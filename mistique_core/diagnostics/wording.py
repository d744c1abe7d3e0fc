"""Names and numbers in the sentences of answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mistique_core.model import IntermediateKey


def percent(part: int, whole: int) -> str:
    """Return a share as ``10.0 %``; ``0.0 %`` of nothing."""
    return f"{part / whole:.1%}".replace("%", " %") if whole else "0.0 %"


def of_all(part: int, whole: int, what: str = "examples") -> str:
    """Return ``57 of 569 examples (10.0 %)``."""
    return f"{part:,} of {whole:,} {what} ({percent(part, whole)})"


def short_names(keys: Sequence[IntermediateKey]) -> list[str]:
    """Return the shortest names that tell some keys apart: the column, after those parts of the key that differ."""
    parts = [_parts(key) for key in keys]
    differing = [len({part[place] for part in parts}) > 1 for place in range(3)]
    return [".".join([*(part[place] for place in range(3) if differing[place]), part[3]]) for part in parts]


def _parts(key: IntermediateKey) -> tuple[str, str, str, str]:
    version = "" if key.version is None else f"@{key.version}"
    return key.project, f"{key.model}{version}", key.intermediate, key.column


def number(value: object) -> str:
    """Return a value for people: numbers with up to four significant digits after the point, else its text."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)


def ranked(count: int, quality: str, noun: str = "") -> str:
    """Return ``The 10 largest values``, or ``The largest value`` if there is one; without a noun ``The 10 nearest``."""
    if count == 1:
        return " ".join(filter(None, ("The", quality, noun)))
    return " ".join(filter(None, ("The", f"{count:,}", quality, noun and f"{noun}s")))


def span(values: Sequence[object]) -> str:
    """Return ``from 3 to 9``, the only value as it is, nothing for none."""
    if len(values) < 2:
        return "".join(map(number, values))
    return f"from {number(values[0])} to {number(values[-1])}"


def listed(names: Sequence[str], shown: int = 5) -> str:
    """Return the first names in a row, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
