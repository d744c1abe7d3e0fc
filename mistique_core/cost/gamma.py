"""gamma of Eq. 5.5: what a stored intermediate is worth."""

from __future__ import annotations

BYTES_PER_GB = 1e9


def gamma(rerun: float, read: float, queries: int, stored_bytes: float) -> float:
    """Return gamma of Eq. 5.5 in seconds of query time saved per GB stored.

    Parameters
    ----------
    rerun, read
        Seconds to re-run and to read the intermediate.
    queries
        Queries made to it so far.
    stored_bytes
        Its amortised stored size; 0 means that it costs nothing, and gamma is infinite if it helps.
    """
    saved = (rerun - read) * queries
    if stored_bytes <= 0:
        return float("inf") if saved > 0 else 0.0
    return saved / (stored_bytes / BYTES_PER_GB)
