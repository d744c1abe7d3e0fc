"""Arrays as pictures: bytes of grey or of red, green and blue."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError

CHANNELS = (1, 3)


def to_pictures(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return images as bytes.

    Parameters
    ----------
    values
        Numbers of shape (n, height, width, channels) with 1 channel for grey, or 3 for red, green and blue.

    Returns
    -------
    ndarray
        uint8 of the same shape. Bytes stay as they are. Floats from 0 to 1 become 0 to 255; any others are stretched
        from the smallest to the largest finite value of all images. NaN becomes 0.

    Raises
    ------
    InvalidInputError
        If the shape is another one.
    """
    if values.ndim != 4 or values.shape[3] not in CHANNELS:
        raise InvalidInputError(f"values of shape {values.shape} are no images; give (n, height, width, 1 or 3)")
    if values.dtype == np.uint8:
        return values
    numbers = np.asarray(values, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    if low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    return _bytes(numbers, low, high)


def to_grey_maps(maps: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return each map of shape (n, height, width) as bytes from its own smallest (0) to its own largest value (255)."""
    numbers = np.asarray(maps, dtype=np.float64)
    found = np.zeros(numbers.shape, dtype=np.uint8)
    for place, one in enumerate(numbers):
        finite = one[np.isfinite(one)]
        if len(finite):
            found[place] = _bytes(one, float(finite.min()), float(finite.max()))
    return found


def _bytes(numbers: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    if high <= low:
        return np.zeros(numbers.shape, dtype=np.uint8)
    clipped = np.nan_to_num(np.clip((numbers - low) / (high - low), 0.0, 1.0), nan=0.0)
    return np.rint(clipped * 255).astype(np.uint8)
