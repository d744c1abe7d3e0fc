"""MinHash signatures of chunks that are nearly the same row by row (thesis 5.4.2).

A chunk becomes a set of items, and two chunks are similar as far as their sets are (Jaccard):

1. **Sample.** 1,024 rows of the chunk, one from each of 1,024 equal stretches, the same ones for
   every chunk of that length; all rows of a shorter chunk.
2. **Dominating values.** A value (bit pattern) that more than an eighth of the sample holds is left
   out: a column and its copy whose gaps were filled then agree in all that remains, and columns that
   share nothing but their zeros do not. A chunk that keeps fewer than 128 rows has no signature.
3. **Discretising.** Integers stay as they are. Of a float, the sign, the exponent and the first bit
   of the mantissa are kept; where the sample's middle 80 % of magnitudes fall in fewer than 4 such
   steps (latitudes, years, probabilities), 4 more bits, and so on, because steps in which all values
   agree tell nothing. Bits are dropped, not rounded: -0.0 is another item than 0.0, infinities and
   NaN are items like others, NaN payloads count only in the bits that are kept.
4. **Items.** (dtype, length, number of dropped bits, row, kept bits), hashed to 32 bits.

The signature holds the smallest permuted hash of the set under each of 64 permutations. It equals,
value for value, what :class:`datasketch.MinHash` gives for the same hashes, so that datasketch can
take it from there; but computing it does not import datasketch, which pulls in ``scipy.integrate``
(0.9 s in a process that has not loaded SciPy). Signatures and hashes are a stored format: band keys
made from them are rows of the catalogue.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mistique_core.dedup.words import MANTISSA_BITS, Array, has_words, to_words
from mistique_core.errors import InvalidInputError

if TYPE_CHECKING:
    from datasketch import LeanMinHash

Signature = npt.NDArray[np.uint32]
PERMUTATIONS = 64
SEED = 1
SCHEME = "affine32"
SAMPLED_ROWS = 1024
LEAST_ITEMS = 128
LEAST_ENCODED_BYTES = 16 * 1024
LEAST_ENCODED_BITS = 6
_DOMINATING_SHARE = 1 / 8
_KEPT_MANTISSA_BITS = 1
_MORE_BITS = 4
_LEAST_STEPS = 3
_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def is_available() -> bool:
    """Whether datasketch is installed (extra ``trad``); nothing is imported."""
    return find_spec("datasketch") is not None


def require_datasketch() -> None:
    """Refuse to go on without datasketch.

    Raises
    ------
    InvalidInputError
        If it is not installed.
    """
    if not is_available():
        raise InvalidInputError(
            "approximate deduplication needs datasketch, which is not installed; pip install 'mistique-airflow[trad]'"
        )


def worth_trying(array: Array, encoded_bytes: int) -> bool:
    """Whether a chunk is large and random enough for a delta to pay; looks at no value.

    Parameters
    ----------
    array
        The chunk.
    encoded_bytes
        Bytes of its lossless encoding.

    Returns
    -------
    bool
        True for one-dimensional integers and floats whose encoding has at least 16 KiB, and 6 bits a
        value: columns of fewer than 64 different values, and sorted ones, have less.
    """
    return (
        array.ndim == 1
        and encoded_bytes >= LEAST_ENCODED_BYTES
        and 8 * encoded_bytes >= LEAST_ENCODED_BITS * len(array)
        and len(array) >= LEAST_ITEMS
        and has_words(array.dtype)
    )


def signature(array: Array, count: int = PERMUTATIONS) -> Signature | None:
    """Return the MinHash signature of a chunk.

    Parameters
    ----------
    array
        Shape (rows,), little-endian integers or floats.
    count
        How many of its values are needed, 1 to 64: the first ones.

    Returns
    -------
    ndarray or None
        uint32, shape (count,); ``None`` where too few rows are left to compare.

    Raises
    ------
    InvalidInputError
        If the array is not one-dimensional or of another dtype.
    """
    hashes = item_hashes(array)
    if hashes is None:
        return None
    multipliers, offsets = permutations()
    permuted = np.multiply.outer(multipliers[:count], _datasketch_mix(hashes))
    permuted += offsets[:count, None]
    smallest: Signature = permuted.min(axis=1)
    return smallest


def item_hashes(array: Array) -> npt.NDArray[np.uint32] | None:
    """Return the 32-bit hash of each item of a chunk, in the order of its rows.

    Parameters, result and errors are those of :func:`signature`; shape (items,).
    """
    if array.ndim != 1:
        raise InvalidInputError(f"a chunk of shape {array.shape} has no signature; give a one-dimensional one")
    rows = sampled_rows(len(array))
    words = to_words(array)[rows]
    kept = _not_dominating(words)
    if np.count_nonzero(kept) < LEAST_ITEMS:
        return None
    rows, words = rows[kept], words[kept]
    dropped = _dropped_bits(words) if array.dtype.kind == "f" else 0
    salt = _mix_int(ord(array.dtype.kind) << 56 | array.dtype.itemsize << 48 | dropped << 40 | len(array))
    mixed = _mix(rows.astype(np.uint64) + np.uint64(salt))
    mixed += words >> words.dtype.type(dropped)
    return (_mix(mixed) >> np.uint64(32)).astype(np.uint32)


@lru_cache(maxsize=64)
def sampled_rows(rows: int) -> npt.NDArray[np.int64]:
    """Return the rows that stand for a chunk of `rows` rows: ascending, at most 1,024, read-only."""
    if rows <= SAMPLED_ROWS:
        sample = np.arange(rows, dtype=np.int64)
    else:
        stretch = np.arange(SAMPLED_ROWS, dtype=np.int64)
        starts = stretch * rows // SAMPLED_ROWS
        lengths = (stretch + 1) * rows // SAMPLED_ROWS - starts
        sample = starts + (_mix(stretch.astype(np.uint64)) >> np.uint64(33)).astype(np.int64) % lengths
    sample.flags.writeable = False
    return sample


def _not_dominating(words: Array) -> npt.NDArray[np.bool_]:
    """Return which items are not among the values that more than an eighth of them hold."""
    ordered = np.sort(words)
    step = int(len(words) * _DOMINATING_SHARE)
    # A value that fills more than `step` places of the ordered sample fills two places `step` apart.
    dominating = ordered[step:][ordered[step:] == ordered[: len(ordered) - step]]
    if not len(dominating):
        return np.ones(len(words), np.bool_)
    return ~np.isin(words, dominating)


def _dropped_bits(words: Array) -> int:
    """Return how many low bits to drop of floats, given as words."""
    width = words.dtype.itemsize
    magnitudes = np.sort(words & words.dtype.type((1 << (8 * width - 1)) - 1))
    low, high = int(magnitudes[len(words) // 10]), int(magnitudes[9 * len(words) // 10])
    dropped = MANTISSA_BITS[width] - _KEPT_MANTISSA_BITS
    while dropped > _MORE_BITS and (high >> dropped) - (low >> dropped) < _LEAST_STEPS:
        dropped -= _MORE_BITS
    return dropped


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64-bit hashes of 64-bit integers (the output function of SplitMix64)."""
    mixed = values + np.uint64(_GOLDEN)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _mix_int(value: int) -> int:
    return int(_mix(np.array([value & _WORD], np.uint64))[0])


def _datasketch_mix(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Mix hashes as datasketch's scheme ``affine32`` does before it permutes (MurmurHash3's finalizer)."""
    mixed = hashes ^ (hashes >> np.uint32(16))
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


@lru_cache(maxsize=1)
def permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return multipliers (odd) and offsets of the permutations, those of ``datasketch.MinHash(64, seed=1)``."""
    random = np.random.RandomState(SEED)
    multipliers = random.randint(0, 1 << 31, PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multipliers, random.randint(0, 1 << 32, PERMUTATIONS, dtype=np.uint32)


def sketch(values: Signature) -> LeanMinHash:
    """Return a signature as an object of datasketch.

    Raises
    ------
    InvalidInputError
        If datasketch is not installed.
    """
    require_datasketch()
    from datasketch import LeanMinHash

    return LeanMinHash(seed=SEED, hashvalues=values, scheme=SCHEME)


def jaccard(first: Signature, second: Signature) -> float:
    """Return the estimated share of common items, 0 to 1, with a standard error of at most 0.0625.

    Raises
    ------
    InvalidInputError
        If datasketch is not installed.
    """
    return float(sketch(first).jaccard(sketch(second)))
