"""The images of CIFAR-10 where a file with them is given; else pictures of digits in their shape."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mistique_core.errors import InvalidInputError, NotFoundError

FILE_VARIABLE = "MISTIQUE_CIFAR10"
"""Environment variable with the path of a ``.npz`` file: ``images``, ``labels``, ``class_names``."""
SIDE = 32
"""Pixels of an image's edge."""
DIGITS = 1_797
"""Images that scikit-learn's digits give."""
_MEAN, _DEVIATION = np.float32(0.47), np.float32(0.25)
_NOISE = 6.0  # [grey levels] standard deviation
_ARRAYS = ("images", "labels", "class_names")


class Images(NamedTuple):
    """Pictures and what they show; the row id of an image is its position, whatever the number of rows.

    Attributes
    ----------
    images
        uint8 (rows, 32, 32, 3).
    labels
        int64 (rows,): positions in `class_names`.
    class_names
        Ten names.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]


def read_images(rows: int | None = None, seed: int = 0, path: str | os.PathLike[str] | None = None) -> Images:
    """Return the first images of CIFAR-10, or of scikit-learn's digits if there is no file.

    Digits are enlarged from 8 x 8 to 32 x 32 pixels, each painted in two colours of its own with a little noise, so
    that the three channels differ as they do in photographs.

    Parameters
    ----------
    rows
        How many, from the first; ``None`` for all. Fewer rows are a prefix of more.
    seed
        Seed of the digits' colours and noise; photographs do not depend on it.
    path
        A ``.npz`` file with ``images`` uint8 (n, 32, 32, 3), ``labels`` (n,) and ``class_names``; default
        ``$MISTIQUE_CIFAR10``.

    Raises
    ------
    InvalidInputError
        If there are fewer images than `rows`, or the file holds something else.
    NotFoundError
        If the file does not exist.
    """
    source = path or os.environ.get(FILE_VARIABLE)
    if rows is not None and rows < 1:
        raise InvalidInputError(f"rows={rows} is no number of images; give at least 1, or None for all")
    found = _digits(seed) if not source else _from_file(Path(source).expanduser())
    if rows is not None and rows > len(found.images):
        where = (
            f"{str(source)!r} holds {len(found.images):,}"
            if source
            else f"scikit-learn's digits give {DIGITS:,}; name a file with more in ${FILE_VARIABLE}"
        )
        raise InvalidInputError(f"{rows:,} images were asked for, but {where}; or ask for fewer rows")
    return Images(found.images[:rows], found.labels[:rows], found.class_names)


def prepare(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels as the networks take them: ``(pixel / 255 - 0.47) / 0.25`` as float32, same shape."""
    return (images.astype(np.float32) / np.float32(255) - _MEAN) / _DEVIATION


def _from_file(path: Path) -> Images:
    if not path.is_file():
        raise NotFoundError(f"file {str(path)!r} does not exist; give the path of a .npz file with CIFAR-10's images")
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in _ARRAYS if name in file}
    except (zipfile.BadZipFile, OSError, ValueError, AttributeError, TypeError) as error:
        raise InvalidInputError(f"{str(path)!r} cannot be read as a .npz file: {error}") from error
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise InvalidInputError(f"{str(path)!r} has no {', '.join(missing)}; it needs {', '.join(_ARRAYS)}")
    images, labels, names = (arrays[name] for name in _ARRAYS)
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3) or labels.shape != images.shape[:1]:
        raise InvalidInputError(
            f"{str(path)!r} holds images {images.dtype} {images.shape} and labels {labels.shape}; "
            f"images must be uint8 (rows, {SIDE}, {SIDE}, 3), with one label each"
        )
    return Images(images, labels.astype(np.int64), tuple(map(str, names)))


def _digits(seed: int) -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = digits.images / 16.0  # (rows, 8, 8) within 0 and 1
    enlarge = _interpolation(grey.shape[1])
    large = enlarge @ grey @ enlarge.T
    random = np.random.default_rng(seed)
    paper, ink = (random.uniform(low, high, (len(grey), 1, 1, 3)) for low, high in ((150, 250), (5, 105)))
    painted = paper + (ink - paper) * large[..., np.newaxis]
    painted += random.normal(0.0, _NOISE, painted.shape)
    names = tuple(str(name) for name in digits.target_names)
    return Images(np.rint(painted).clip(0, 255).astype(np.uint8), digits.target.astype(np.int64), names)


def _interpolation(size: int) -> NDArray[np.float64]:
    """Return the matrix (32, size) that stretches a line of `size` pixels, linearly between their centres."""
    centres = ((np.arange(SIDE) + 0.5) * size / SIDE - 0.5).clip(0, size - 1)
    return np.maximum(0.0, 1.0 - np.abs(centres[:, np.newaxis] - np.arange(size)))
