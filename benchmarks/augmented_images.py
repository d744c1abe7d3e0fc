"""More images than CIFAR-10's file holds: its own, then flipped, shifted, brightened and darkened copies of them.

A copy of the file lies below the DAGs folder of a cluster, where tasks find it by its name: it imports nothing of the
project but its core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mistique_core.workflows.cifar import prepare, read_images

MOST_SHIFT = 4
"""Pixels by which a copy is shifted at most, up or down and left or right; what comes in is the mirrored edge."""
MOST_LIGHT = 32
"""Grey levels by which a copy is brighter or darker at most."""
SEED = 0


def augmented(held: NDArray[np.uint8], first: int, end: int) -> NDArray[np.uint8]:
    """Return the images of some rows.

    Row `r` is image ``r % len(held)``: as it is while ``r < len(held)``, and later a copy whose flip (of every second
    one, left to right), shift and light are drawn for copy ``r // len(held)``. So a row is the same image whatever the
    number of rows, and whoever asks for it.

    Parameters
    ----------
    held
        uint8 (images, height, width, channels).
    first, end
        The rows, `end` exclusive.

    Returns
    -------
    numpy.ndarray
        uint8 (end - first, height, width, channels).
    """
    pieces = []
    row = first
    while row < end:
        copy, start = divmod(row, len(held))
        stop = min(len(held), start + end - row)
        pieces.append(_copy(held, copy, start, stop))
        row += stop - start
    return np.concatenate(pieces) if pieces else held[:0]


def _copy(held: NDArray[np.uint8], copy: int, start: int, stop: int) -> NDArray[np.uint8]:
    images = held[start:stop]
    if copy == 0:
        return images
    random = np.random.default_rng((SEED, copy))
    # Drawn for all images, so that each has the same whichever are asked for.
    flipped = random.integers(0, 2, len(held))[start:stop].astype(bool)
    shifts = random.integers(-MOST_SHIFT, MOST_SHIFT + 1, (2, len(held), 1, 1))[:, start:stop]
    light = random.integers(-MOST_LIGHT, MOST_LIGHT + 1, (len(held), 1, 1, 1))[start:stop]
    height, width = images.shape[1:3]
    edge = (MOST_SHIFT, MOST_SHIFT)
    padded = np.pad(images, ((0, 0), edge, edge, (0, 0)), mode="symmetric")
    rows = MOST_SHIFT + shifts[0] + np.arange(height)[:, np.newaxis]
    columns = MOST_SHIFT + shifts[1] + np.arange(width)
    shifted = padded[np.arange(len(images))[:, np.newaxis, np.newaxis], rows, columns]
    shifted[flipped] = shifted[flipped, :, ::-1]
    return (shifted.astype(np.int16) + light).clip(0, 255).astype(np.uint8)


def augmented_input(path: str, rows: int, batch_rows: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the input of a network, batch by batch: ``row_id``, and ``images`` as float32 (rows, 32, 32, 3).

    Parameters
    ----------
    path
        The file with the images that are held; see :func:`mistique_core.workflows.cifar.read_images`.
    rows
        How many rows.
    batch_rows
        Rows of a batch; the last one may have fewer.
    """
    held = read_images(path=path).images
    for first in range(0, rows, batch_rows):
        end = min(first + batch_rows, rows)
        yield {"row_id": np.arange(first, end, dtype=np.int64), "images": prepare(augmented(held, first, end))}
