"""Arrays of every kind that a chunk may hold, for tests of its encoding."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Array = npt.NDArray[np.generic]
Make = Callable[[np.random.Generator, int, np.dtype], Array]

INTEGERS = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8")
FLOATS = ("<f2", "<f4", "<f8")
SIZES = (0, 1, 63, 64, 65, 300, 8191, 8192, 8193, 20_000, 40_000)
SPECIAL = (
    0.0, -0.0, 1.0, -1.0, 0.1, 0.2, 0.1 + 0.2, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
    1e22, 1e23, 2.0**53 - 1, -(2.0**53 - 1), 2.0**53, 2.0**53 + 2, 65504.0, 3.4028234663852886e38,
    np.inf, -np.inf, np.nan,
)  # fmt: skip


def _clipped(values: Array, dtype: np.dtype) -> Array:
    """Return real numbers as a dtype: integers clipped to it, floats that are too large as infinity."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(values, "<f8").astype(dtype)
    limits = np.iinfo(dtype)
    most = float(np.nextafter(float(limits.max), 0)) if limits.max > 2**53 else float(limits.max)
    return np.clip(np.rint(np.nan_to_num(values)), float(limits.min), most).astype(dtype)


def bits(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return any bit patterns: NaN payloads, signalling NaN, denormals."""
    return np.frombuffer(random.bytes(size * dtype.itemsize), dtype).copy()


def special(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return the values that arithmetic gets wrong, or the extremes of integers."""
    if dtype.kind == "f":
        return random.choice(_clipped(np.array(SPECIAL), dtype), size)
    limits = np.iinfo(dtype)
    return random.choice(np.array([limits.min, limits.min + 1, 0, 1, limits.max - 1, limits.max], dtype), size)


def whole(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return whole numbers of a small or large range, far from zero or not."""
    span = 10 ** random.integers(0, 17)
    base = random.choice([0, -100, 1e6, -1e12, 2.0**52])
    return _clipped(base + random.integers(0, span, size), dtype)


def decimals(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return decimals with zero to seven digits after the point."""
    return _clipped(
        np.round(random.normal(scale=10.0 ** random.integers(-2, 6), size=size), random.integers(0, 8)), dtype
    )


def decimals_with_others(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return decimals, and in some rows one of a few values that are none."""
    values = np.asarray(decimals(random, size, dtype))
    count = int(random.integers(1, 24))
    others = special(random, count, dtype) if random.random() < 0.5 else bits(random, count, dtype)
    return np.where(random.random(size) < random.choice([0.001, 0.1, 0.9]), random.choice(others, size), values)


def extremes_of_decimals(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return whole numbers near both ends of what a float holds exactly."""
    edge = float({2: 2**11, 4: 2**24}.get(dtype.itemsize, 2**53))
    signs = random.choice([-1.0, 1.0], size)
    return _clipped(signs * (edge - random.integers(0, 50, size)) / random.choice([1, 10, 100]), dtype)


def few(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return a few different bit patterns."""
    return random.choice(bits(random, int(random.choice([1, 2, 3, 40, 255, 256, 257, 5000])), dtype), size)


def equal(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return one value over and over."""
    return np.repeat(special(random, 1, dtype), size)


def nan(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return NaN only, or one value in between."""
    if dtype.kind != "f":
        return equal(random, size, dtype)
    values = np.full(size, np.nan, dtype)
    if size and random.random() < 0.5:
        values[random.integers(size)] = random.choice([1.5, 7.0, -0.0])
    return values


def ordered(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return ascending or descending numbers."""
    values = _clipped(random.choice([1, 0.01, 1000]) * np.arange(size), dtype)
    return values[::-1].copy() if random.random() < 0.5 else values


def normal(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return numbers of full precision."""
    return _clipped(random.normal(scale=100, size=size), dtype)


def mostly_zero(random: np.random.Generator, size: int, dtype: np.dtype) -> Array:
    """Return zeros with some small numbers, as rectified activations are."""
    return _clipped(np.maximum(random.normal(-1, 3, size), 0 if random.random() < 0.5 else -9), dtype)


MAKERS: tuple[Make, ...] = (
    bits, special, whole, decimals, decimals_with_others, extremes_of_decimals, few, equal, nan, ordered, normal,
    mostly_zero,
)  # fmt: skip


@st.composite
def columns(draw: st.DrawFn, sizes: tuple[int, ...] = SIZES, dtypes: tuple[str, ...] = INTEGERS + FLOATS) -> Array:
    """Draw an array of one dimension."""
    dtype, size, make = (
        np.dtype(draw(st.sampled_from(dtypes))),
        draw(st.sampled_from(sizes)),
        draw(st.sampled_from(MAKERS)),
    )
    values = make(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), size, dtype)
    assert values.dtype == dtype
    assert values.shape == (size,)
    return np.ascontiguousarray(values)


@st.composite
def tensors(draw: st.DrawFn) -> Array:
    """Draw an array of one to four dimensions, some of them perhaps empty."""
    dtype, make = np.dtype(draw(st.sampled_from(INTEGERS + FLOATS))), draw(st.sampled_from(MAKERS))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=30))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return make(random, int(np.prod(shape)), dtype).reshape(shape)
