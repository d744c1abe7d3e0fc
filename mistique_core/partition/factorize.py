"""The different words of a chunk, and for each word which one it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.native import kernels
from mistique_core.partition.transform import Array


def factorize_words(words: Array, most: int) -> tuple[Array, Array] | None:
    """Return the place of each word among the different ones, and those in order of first occurrence.

    Parameters
    ----------
    words
        Contiguous unsigned integers of 2, 4 or 8 bytes, shape ``(n,)``.
    most
        Most different words, at most 8,192.

    Returns
    -------
    tuple or None
        Integers of shape ``(n,)``, and words; ``None`` if more than `most` are different.
    """
    if kernels is None:
        positions, found = pd.factorize(words.view(words.dtype.str.replace("u", "i")))
        return None if len(found) > most else (positions, np.asarray(found).view(words.dtype))
    places, room = np.empty(len(words), np.uint16), np.empty(most, words.dtype)
    count = kernels.factorize(words, words.dtype.itemsize, places, room)
    return None if count < 0 else (places, room[:count])
