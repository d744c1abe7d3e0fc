"""After how many queries a re-run is stored: gamma (thesis Eq. 5.5) solved for n_query."""

from __future__ import annotations

import math

from mistique_core.cost import gamma

_BYTES_PER_GB = 1e9


def queries_needed(rerun: float, read: float, stored_bytes: float, gamma_min: float) -> int | None:
    """Return the n_query from which on gamma reaches a threshold.

    Parameters
    ----------
    rerun, read
        Seconds to re-run and to read all rows.
    stored_bytes
        Amortised encoded bytes that keeping would take.
    gamma_min
        The threshold, in seconds saved per GB.

    Returns
    -------
    int or None
        At least 1, the first query; ``None`` where no number of queries is enough, because reading is not faster.
    """
    saved = rerun - read
    if saved <= 0 or not math.isfinite(gamma_min):
        return None
    if stored_bytes <= 0:
        return 1
    count = max(1, math.ceil(gamma_min * (stored_bytes / _BYTES_PER_GB) / saved))
    while gamma(rerun, read, count, stored_bytes) < gamma_min:  # where the division was rounded down
        count += 1
    while count > 1 and gamma(rerun, read, count - 1, stored_bytes) >= gamma_min:
        count -= 1
    return count


def queries_until_kept(needed: int | None, queries: int) -> int | None:
    """Return how many more queries it takes until the result of a re-run is stored, the one that does so included.

    Parameters
    ----------
    needed
        What :func:`queries_needed` returned.
    queries
        Queries made so far.
    """
    return None if needed is None else max(1, needed - queries)
