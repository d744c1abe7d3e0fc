"""Locality-sensitive hashing of signatures: a few integers a chunk, equal where chunks are similar.

A signature is cut into bands of a few values; each band gives one key. The index is a table of (key,
chunk): it needs no rebuild as it grows, survives restarts, and a look-up is one query. Two chunks of
Jaccard similarity s share a key with probability 1 - (1 - s ** r) ** b, for b bands of r values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import TypeVar

from blake3 import blake3

from mistique_core.dedup.similarity import PERMUTATIONS, Signature, require_datasketch
from mistique_core.errors import InvalidInputError

DEFAULT_TAU = 0.5
LEAST_TAU, MOST_TAU = 0.3, 0.9
LEAST_BANDS = 4
_SIZES = (16, 24, 32, 48, PERMUTATIONS)
_DEFAULT_BANDING = (5, 3)
_KEY_BITS = 63

Chunk = TypeVar("Chunk", bound=Hashable)


@lru_cache(maxsize=64)
def banding(tau: float) -> tuple[int, int]:
    """Return (bands, values a band) for a threshold of similarity.

    They are the optimum of ``datasketch.MinHashLSH`` for the fewest permutations (of 16, 24, 32, 48
    and 64) with which it has at least 4 bands, else for 64. The one for 0.5 is kept here, so that the
    default needs no import of datasketch.

    Parameters
    ----------
    tau
        Jaccard similarity from which chunks should be found, 0.3 to 0.9.

    Raises
    ------
    InvalidInputError
        If `tau` is outside that range, or is not 0.5 and datasketch is not installed.
    """
    if not LEAST_TAU <= tau <= MOST_TAU:
        raise InvalidInputError(f"similarity threshold {tau!r} is outside {LEAST_TAU}..{MOST_TAU}; 0.5 is the default")
    return _DEFAULT_BANDING if tau == DEFAULT_TAU else optimal_banding(tau)


def needed_values(tau: float = DEFAULT_TAU) -> int:
    """Return how many values of a signature :func:`band_keys` looks at: the first ones.

    Raises
    ------
    InvalidInputError
        As :func:`banding`.
    """
    bands, width = banding(tau)
    return bands * width


def optimal_banding(tau: float) -> tuple[int, int]:
    """Return what :func:`banding` describes, asking datasketch for every `tau`."""
    require_datasketch()
    from datasketch import MinHashLSH

    for size in _SIZES:
        try:
            index = MinHashLSH(threshold=tau, num_perm=size)
        except ValueError:  # datasketch refuses fewer than two bands
            continue
        if index.b >= LEAST_BANDS or size == PERMUTATIONS:
            return index.b, index.r
    raise InvalidInputError(f"similarity threshold {tau!r} leaves fewer than two bands; give a lower one")


def band_keys(values: Signature | None, tau: float = DEFAULT_TAU) -> tuple[int, ...]:
    """Return the keys under which a chunk is found.

    Parameters
    ----------
    values
        Its signature, or ``None`` where it has none.
    tau
        Similarity from which chunks should be found, 0.3 to 0.9. Keys of different values of `tau`
        are never equal unless their banding is the same.

    Returns
    -------
    tuple of int
        One key a band, each at least 0 and below 2 ** 63; empty without a signature. Chunks of
        different dtype or length share no key, but for accidents of hashing.

    Raises
    ------
    InvalidInputError
        As :func:`banding`.
    """
    if values is None:
        return ()
    bands, width = banding(tau)
    used = values[: bands * width].astype("<u4").tobytes()
    return tuple(
        int.from_bytes(
            blake3(
                f"band\0{bands}\0{width}\0{band}\0".encode() + used[4 * width * band : 4 * width * (band + 1)]
            ).digest(8),
            "little",
        )
        >> (64 - _KEY_BITS)
        for band in range(bands)
    )


def ranked(found: Iterable[Chunk]) -> list[Chunk]:
    """Return candidates, most similar first.

    Parameters
    ----------
    found
        The stored chunk of each row of the index that has one of the new chunk's keys; a chunk comes
        once for every key that it shares.

    Returns
    -------
    list
        Each chunk once, by the number of shared keys; equal ones in the order of their first row.
    """
    return [chunk for chunk, _ in Counter(found).most_common()]
