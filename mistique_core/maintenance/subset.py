"""Which partitions one check reads."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from mistique_core.errors import InvalidInputError

_FRACTION = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)%")
_NAME_DIGITS = 12


def choose_subset(sizes: Mapping[str, int], subset: str | None) -> list[str]:
    """Return the names of the partitions to read, sorted.

    Parameters
    ----------
    sizes
        Name -> bytes of every partition.
    subset
        ``n/t``: the n-th of t parts, which depends on nothing but the names, so that the runs 1/t to t/t
        cover every partition exactly once. ``x%``: a new random choice each time, of at least x per
        cent of the bytes. ``None``: all.

    Raises
    ------
    InvalidInputError
        If `subset` has another form.
    """
    if subset is None:
        return sorted(sizes)
    fraction, percent = _FRACTION.fullmatch(subset.strip()), _PERCENT.fullmatch(subset.strip())
    if fraction is not None and int(fraction[1]) <= int(fraction[2]):
        part, parts = int(fraction[1]), int(fraction[2])
        return sorted(name for name in sizes if int(name[:_NAME_DIGITS], 16) % parts == part - 1)
    if percent is not None and 0 < float(percent[1]) <= 100:
        return _random_share(sizes, float(percent[1]) / 100)
    raise InvalidInputError(f"subset {subset!r} is neither like '1/5' nor like '2.5%'; give one of these")


def _random_share(sizes: Mapping[str, int], share: float) -> list[str]:
    names = sorted(sizes)
    random.SystemRandom().shuffle(names)
    wanted = share * sum(sizes.values())
    chosen: list[str] = []
    for name in names:
        if sum(sizes[item] for item in chosen) >= wanted and chosen:
            break
        chosen.append(name)
    return sorted(chosen)


def resume_after(names: Sequence[str], last: str | None) -> list[str]:
    """Return the names in the order that begins after `last`, and goes round."""
    later = [name for name in names if last is None or name > last]
    return [*later, *(name for name in names if last is not None and name <= last)]
