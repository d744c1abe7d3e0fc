"""Thumbnails of many images in one picture, row by row, as TensorBoard's projector wants them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError

SPRITE_PIXELS = 8_192
"""Longest edge that browsers take as a texture."""
_LONGEST_THUMBNAIL = 64

Array = npt.NDArray[Any]


def sprite_of(images: Array, known: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """Return the sprite (height, width, 4) in RGBA, and the (width, height) of a thumbnail in it.

    Parameters
    ----------
    images
        ``(n_images, height, width, channels)`` with 1, 3 or 4 channels. Bytes are taken as they are, numbers from 0 to
        1 as shares of 255; others are stretched from the smallest to the largest of all.
    known
        (n_images,); where false the thumbnail is transparent.

    Raises
    ------
    InvalidInputError
        If the values are not images.
    """
    from PIL import Image

    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise InvalidInputError(
            f"values of shape {images.shape[1:]} are no images; choose an intermediate of maps with 1, 3 or 4 units"
        )
    count, height, width, channels = images.shape
    across = max(math.ceil(math.sqrt(count)), 1)
    edge = max(min(_LONGEST_THUMBNAIL, SPRITE_PIXELS // across), 1)
    scale = min(1.0, edge / max(height, width))
    wide, high = max(round(width * scale), 1), max(round(height * scale), 1)
    pixels = _as_bytes(images)
    sprite = np.zeros((math.ceil(count / across) * high, across * wide, 4), dtype=np.uint8)
    for place in np.flatnonzero(known):
        one = pixels[place]
        if channels == 1:
            one = np.repeat(one, 3, axis=2)
        thumbnail = Image.fromarray(one).convert("RGBA").resize((wide, high))
        top, left = (place // across) * high, (place % across) * wide
        sprite[top : top + high, left : left + wide] = np.asarray(thumbnail)
    return sprite, (wide, high)


def _as_bytes(images: Array) -> npt.NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images
    values = images.astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if images.dtype.kind in "iu" and low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    shares = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    made: npt.NDArray[np.uint8] = np.rint(shares * 255).astype(np.uint8)
    return made
