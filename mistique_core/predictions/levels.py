"""Predictions in one byte: what the matrix draws, and, exactly, every decision at a threshold of half a percent.

A probability becomes the number of thresholds 0.005, 0.010, ..., 1.000 that it reaches (0 to 200); so the colour is off
by at most half a percent, and "probability >= threshold" can be told from the byte without error.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mistique_core.predictions.problem import Codes, Floats

STEPS = 200
"""The level of 1.0; 0 to 200 are used."""
THRESHOLDS: Floats = np.arange(1, STEPS + 1) / STEPS
_CENTRE = STEPS // 2
_CHUNK = 1 << 17

OF_CORRECTNESS: Codes = np.arange(256, dtype=np.uint8)
"""Level of a classification -> correctness in steps of 1 / 200: it is stored as such."""
OF_ERROR: Codes = np.clip(STEPS - 2 * np.abs(np.arange(256) - _CENTRE), 0, STEPS).astype(np.uint8)
"""Level of a regression's signed error -> correctness in steps of 1 / 200."""


def probability_levels(probabilities: Floats) -> Codes:
    """Return (rows,) how many of :data:`THRESHOLDS` each probability (0 to 1, no NaN) reaches."""
    found = np.empty(len(probabilities), np.uint8)
    for start in range(0, len(probabilities), _CHUNK):
        part = probabilities[start : start + _CHUNK]
        guess = np.clip(part * STEPS, 0, STEPS).astype(np.intp)
        guess -= _reached(guess) > part
        guess += _next(guess) <= part
        found[start : start + _CHUNK] = guess
    return found


_PADDED = np.concatenate([[-np.inf], THRESHOLDS, [np.inf]])


def _reached(level: npt.NDArray[np.intp]) -> Floats:
    return np.asarray(_PADDED[level])


def _next(level: npt.NDArray[np.intp]) -> Floats:
    return np.asarray(_PADDED[level + 1])


def correctness_levels(levels: Codes, is_positive: npt.NDArray[np.bool_]) -> Codes:
    """Return levels of the probability of what is true, from those of the positive class; it is its own inverse.

    Thesis 6.2.1: ``1 - error``, where the error is 1 - p for positive examples and p for negative ones.
    """
    return np.where(is_positive, levels, np.uint8(STEPS) - levels)


def error_levels(errors: Floats, scale: float) -> Codes:
    """Return levels of signed errors (prediction minus truth): 100 is none, 0 and 200 are `scale` or more."""
    return np.rint(np.clip(errors / scale, -1, 1) * _CENTRE + _CENTRE).astype(np.uint8)


def threshold_level(threshold: float) -> int:
    """Return the lowest level of probabilities that reach a threshold: 1 to 200; thresholds are rounded to 0.005."""
    return int(np.clip(round(threshold * STEPS), 1, STEPS))
