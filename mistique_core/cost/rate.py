"""Keeping the measured read rate up to date without trusting any single measurement."""

from __future__ import annotations

from mistique_core.cost.model import ReadRate

_WEIGHT = 0.2
_MOST_CHANGE = 4.0
_LEAST_CHUNK_SECONDS = 1e-7


def update_rate(rate: ReadRate, stored_bytes: int, chunks: int, seconds: float) -> ReadRate:
    """Return the rate after one more measured read.

    The error of the prediction is attributed to both terms in proportion. One outlier (a cold disk,
    a busy machine) moves the rate by a bounded factor only.

    Parameters
    ----------
    rate
        The rate so far.
    stored_bytes, chunks, seconds
        What was read, and the wall time that it took.
    """
    if chunks <= 0 or seconds <= 0:
        return rate
    predicted = chunks * rate.chunk_seconds + stored_bytes / rate.bytes_per_second
    factor = min(max(seconds / predicted, 1 / _MOST_CHANGE), _MOST_CHANGE)
    weight = max(_WEIGHT, 1 / (rate.samples + 2))
    step = factor**weight
    return ReadRate(
        rate.bytes_per_second / step,
        max(rate.chunk_seconds * step, _LEAST_CHUNK_SECONDS),
        rate.samples + 1,
    )
