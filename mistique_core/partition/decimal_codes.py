"""Floats that are decimals as whole numbers, and those as narrow codes: the arithmetic of ``decimal``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.native import kernels
from mistique_core.partition.transform import UNSIGNED, Array, as_bits

MOST_PATTERNS = 16
EXACT_INTEGER = float(1 << 53)
_TILE = 8_192
_LOOKED_AT = 64


@dataclass(frozen=True)
class Decimals:
    """Floats as whole numbers.

    Attributes
    ----------
    whole
        float64: each value times the scale, NaN where that does not give back the same bits.
    low, high
        Smallest and largest of them that is no NaN (inclusive).
    patterns
        Bit patterns of the values that became NaN, ascending, at most 16.
    """

    whole: npt.NDArray[np.float64]
    low: int
    high: int
    patterns: tuple[int, ...]


def scale_of_sample(sample: Array, scales: Sequence[int]) -> tuple[int, int, int] | None:
    """Return the first scale by which values of a sample are decimals, and few different ones are not.

    Parameters
    ----------
    sample
        Contiguous floats of one dimension.
    scales
        To be tried in order.

    Returns
    -------
    tuple or None
        The scale, and the smallest and largest of the whole numbers (inclusive).
    """
    most = MOST_PATTERNS // 2
    if kernels is not None and sample.dtype.itemsize >= 4:
        found = kernels.decimal_sample(sample, sample.dtype.itemsize, np.array(scales, "<f8"), _LOOKED_AT, most)
        return None if found is None else (scales[found[0]], int(found[1]), int(found[2]))
    bits = as_bits(sample)
    with np.errstate(all="ignore"):
        wide = sample.astype("<f8")
        for scale in scales:
            whole = np.rint(wide * scale) + 0.0
            good = as_bits((whole / scale).astype(sample.dtype)) == bits
            good &= np.abs(whole) < EXACT_INTEGER
            if good.any() and len(set(bits[~good][:_LOOKED_AT].tolist())) <= most:
                return scale, int(whole[good].min()), int(whole[good].max())
    return None


def scan_decimals(array: Array, scale: int) -> Decimals | None:
    """Return floats as whole numbers.

    Parameters
    ----------
    array
        Contiguous floats of one dimension.
    scale
        By which they are multiplied.

    Returns
    -------
    Decimals or None
        ``None`` if no value is such a decimal, or more than 16 different ones are not.
    """
    whole = np.empty(array.size, "<f8")
    if kernels is None or array.dtype.itemsize < 4:
        return _scan(array, scale, whole)
    found = kernels.decimal_scan(array, array.dtype.itemsize, scale, whole)
    return None if found is None else Decimals(whole, int(found[0]), int(found[1]), tuple(sorted(found[2])))


def _scan(array: Array, scale: int, whole: npt.NDArray[np.float64]) -> Decimals | None:
    patterns: set[int] = set()
    for start in range(0, array.size, _TILE):
        tile, target = array[start : start + _TILE], whole[start : start + _TILE]
        bad = _to_whole(tile, scale, target)
        if bad is not None:
            patterns.update(_patterns(as_bits(tile), bad))
            if len(patterns) > MOST_PATTERNS:
                return None
    low = np.fmin.reduce(whole)
    return None if np.isnan(low) else Decimals(whole, int(low), int(np.fmax.reduce(whole)), tuple(sorted(patterns)))


def _to_whole(tile: Array, scale: int, whole: Array) -> npt.NDArray[np.bool_] | None:
    """Write `tile * scale` into `whole` where that is whole and gives back the same bits, NaN elsewhere.

    Returns
    -------
    ndarray or None
        Where it is not; ``None`` if it is everywhere.
    """
    with np.errstate(all="ignore"):
        np.multiply(tile, float(scale), out=whole, dtype="<f8")
        np.rint(whole, out=whole)
        whole += 0.0  # so that -0.0, which no code stands for, does not compare equal below
        good = np.abs(whole) < EXACT_INTEGER
        back = (whole / scale if scale != 1 else whole).astype(tile.dtype, copy=False)
        good &= as_bits(back) == as_bits(tile)
    if good.all():
        return None
    bad = np.logical_not(good, out=good)
    np.copyto(whole, np.nan, where=bad)
    return bad


def _patterns(bits: Array, bad: npt.NDArray[np.bool_]) -> list[int]:
    """Return the different items where `bad`; most often there is one, and it is nowhere else."""
    first = bits[bad.argmax()]
    if np.array_equal(bits == first, bad):
        return [int(first)]
    return [int(pattern) for pattern in np.unique(bits[bad])]


def narrow_decimals(array: Array, decimals: Decimals, top: int, dtype: str) -> Array:
    """Return the codes of floats: ``whole - low``, and ``top + i`` for the i-th pattern.

    Parameters
    ----------
    array, decimals
        What :func:`scan_decimals` was given and returned.
    top
        First code that names a pattern.
    dtype
        Unsigned dtype that holds every code.
    """
    known: npt.NDArray[Any] = np.asarray(decimals.patterns, UNSIGNED[array.dtype.itemsize])
    codes = np.empty(array.size, dtype)
    if kernels is not None and array.dtype.itemsize >= 4 and top < 1 << 52:
        patterns = known.astype("<u8")
        kernels.decimal_codes(
            array, array.dtype.itemsize, decimals.whole, decimals.low, top, patterns, codes, codes.dtype.itemsize
        )
        return codes
    whole = decimals.whole - decimals.low
    bad = np.isnan(whole)
    if len(known) == 1:
        np.copyto(whole, float(top), where=bad)
    elif len(known):
        whole[bad] = top + np.searchsorted(known, as_bits(array)[bad])
    np.copyto(codes, whole, casting="unsafe")
    return codes
