"""What is fed to the networks: images to train on, and images whose activations are captured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.cifar.images import prepare, read_images

INPUT = "images"
"""Name of both networks' input."""

Examples = tuple[NDArray[np.float32], NDArray[np.int64]]


def training_data(
    rows: int | None = None, validation: float = 0.2, seed: int = 0, path: str | None = None
) -> tuple[Examples, Examples]:
    """Return images to train on and images to validate with.

    Parameters
    ----------
    rows, seed, path
        See :func:`read_images`.
    validation
        Share of the rows, between 0 and 1 exclusive: the last ones.

    Returns
    -------
    tuple
        ``(x, y), (x_validation, y_validation)``: float32 (rows, 32, 32, 3) and int64 (rows,).

    Raises
    ------
    InvalidInputError
        If one of the two would have no rows.
    """
    found = read_images(rows, seed, path)
    total = len(found.images)
    kept = total - round(total * validation)
    if not 0 < kept < total:
        raise InvalidInputError(
            f"validation={validation} of {total} images leaves {kept} to train on and {total - kept} to validate "
            "with; give more rows, or a share between 0 and 1"
        )
    pixels = prepare(found.images)
    return (pixels[:kept], found.labels[:kept]), (pixels[kept:], found.labels[kept:])


def network_input(rows: int | None = None, seed: int = 0, path: str | None = None) -> dict[str, NDArray[Any]]:
    """Return the input whose activations are captured: ``row_id`` and ``images``, float32 (rows, 32, 32, 3).

    The parameters are those of :func:`read_images`; an image has the same row id whatever the number of rows.
    """
    images = read_images(rows, seed, path).images
    return {"row_id": np.arange(len(images), dtype=np.int64), INPUT: prepare(images)}
