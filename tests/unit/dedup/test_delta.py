"""Deltas give back every bit, whatever the values, and are small where values are close."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.dedup.decimals import SCALES
from mistique_core.dedup.delta import apply_delta, delta_scale, make_delta
from mistique_core.dedup.words import swap_float_order, to_words
from mistique_core.errors import CorruptPartitionError, InvalidInputError

DTYPES = ("<f2", "<f4", "<f8", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8")
SHAPES = hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=12)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw two arrays of one dtype and shape: any bits, any values, with and without zeros at the low end."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(SHAPES)
    words = hnp.arrays(f"<u{dtype.itemsize}", shape)
    values = hnp.arrays(dtype, shape)
    arrays = [draw(words).view(dtype) if draw(st.booleans()) else draw(values) for _ in range(2)]
    zeros = draw(st.integers(0, 8 * dtype.itemsize - 1))
    mask = np.array((1 << 8 * dtype.itemsize) - (1 << zeros), f"<u{dtype.itemsize}")
    return tuple((array.view(mask.dtype) & mask).view(dtype) if draw(st.booleans()) else array for array in arrays)  # type: ignore[return-value]


@settings(deadline=None, max_examples=600)
@given(pairs(), st.sampled_from([0, *SCALES]))
def test_every_bit_comes_back(pair: tuple[np.ndarray, np.ndarray], scale: int) -> None:
    """NaN payloads, infinities, -0.0 and overflowing differences included; the inputs stay as they were."""
    base, array = pair
    before = base.tobytes(), array.tobytes()
    delta = make_delta(base, array, scale)
    assert delta is not None
    assert delta.dtype == np.dtype(f"<u{array.dtype.itemsize}")
    assert delta.shape == array.shape
    back = apply_delta(base, delta, scale)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert (base.tobytes(), array.tobytes()) == before
    assert delta.any() == (before[0] != before[1])


@pytest.mark.parametrize("dtype", ["|u1", "|i1", "<f2", "<i2", "<u2"])
@pytest.mark.parametrize("fixed", [0, 1, 0x40, 0x7C])
def test_a_delta_is_a_bijection(dtype: str, fixed: int) -> None:
    """For a fixed base, all arrays of one value have different deltas, which give them back."""
    width = np.dtype(dtype).itemsize
    words = np.arange(1 << 8 * width, dtype=f"<u{width}")
    every = words.view(dtype)[:, None]
    base = np.full_like(words, fixed << 8 * (width - 1)).view(dtype)[:, None]
    delta = make_delta(base, every)
    assert delta is not None
    assert len(np.unique(delta)) == len(words)
    assert np.array_equal(to_words(apply_delta(base, delta)), to_words(every))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_floats_become_integers_in_their_order(dtype: str) -> None:
    """Ascending floats, both signs, subnormals and infinities: ascending integers; the way back is the same."""
    random = np.random.default_rng(3)
    values = random.normal(size=500) * 10.0 ** random.integers(-6, 4, 500)
    ordered = np.unique(np.concatenate([values, [0.0, np.inf, -np.inf]]).astype(dtype))
    ordered[ordered == 0] = 0.0
    words = to_words(ordered)
    swapped = swap_float_order(words)
    assert (np.diff(swapped.view(f"<i{words.dtype.itemsize}").astype(object)) > 0).all()
    assert np.array_equal(swap_float_order(swapped), words)
    above = np.nextafter(ordered[1:-1], ordered.dtype.type(np.inf))
    steps = np.subtract(swap_float_order(to_words(above)), swapped[1:-1])
    assert set(steps[above != 0].tolist()) == {1}


def test_near_values_give_small_integers() -> None:
    """Steps between floats are counted, sign of the step in the lowest bit; short integers stay short."""
    base = np.array([1.0, -1.0, 1.0 + 2**-52, 0.5])
    near = np.array([1.0 + 2**-52, -1.0 - 2**-52, 1.0, 0.5])
    delta = make_delta(base, near)
    assert delta is not None
    assert delta.tolist() == [2, 1, 1, 0]
    halves = np.array([1.5, -3.0, 2.5, 8.0], "<f4")
    nudged = np.nextafter(halves, np.float32(100))
    plain = make_delta(nudged, halves)
    widened = make_delta(nudged.astype("<f8"), halves.astype("<f8"))
    assert plain is not None
    assert widened is not None
    assert plain.max() <= 2
    assert widened.max() <= 2
    seconds = np.array([5, -6, 7], "<i8") * 1_000_000 * 2**20
    delta = make_delta(seconds, seconds + 2**26)
    assert delta is not None
    assert delta.max() <= 2


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_decimals_are_counted_in_their_steps(dtype: str) -> None:
    """One cent more is 2, one less is 1; what is no decimal among them comes back too."""
    base = np.array([12.34, -0.07, 0.0, 99.99, 1 / 3, np.nan, np.inf, -0.0, 5.55], dtype)
    array = np.array([12.35, -0.08, 0.01, 99.99, 1 / 3, np.nan, np.inf, -0.0, np.pi], dtype)
    assert delta_scale(np.repeat(base[:4], 9), np.repeat(array[:4], 9)) == 0
    many = np.arange(1, 900).astype(dtype) / np.dtype(dtype).type(100)
    assert delta_scale(many, many.round(1)) == 100
    delta = make_delta(base, array, 100)
    assert delta is not None
    assert delta[:-1].tolist() == [2, 1, 2, 0, 0, 0, 0, 0]
    assert apply_delta(base, delta, 100).tobytes() == array.tobytes()


def test_what_has_no_delta() -> None:
    """Other dtype or shape, and dtypes without words, give none."""
    array = np.zeros(4)
    assert make_delta(array, np.zeros(4, "<f4")) is None
    assert make_delta(array, np.zeros(4, "<i8")) is None
    assert make_delta(array, np.zeros((2, 2))) is None
    assert make_delta(np.zeros(4, complex), np.zeros(4, complex)) is None
    assert make_delta(np.zeros(4, ">f8"), np.zeros(4, ">f8")) is None
    with pytest.raises(InvalidInputError, match="c16"):
        to_words(np.zeros(4, complex))


def test_strided_arrays() -> None:
    """A view with gaps has the delta of its copy."""
    values = np.random.default_rng(1).normal(size=100)
    base, array = values[::2], values[1::2]
    delta = make_delta(base, array)
    assert delta is not None
    assert np.array_equal(delta, make_delta(base.copy(), array.copy()))
    assert apply_delta(base, delta).tobytes() == array.tobytes()


@pytest.mark.parametrize("delta", [np.zeros(4, "<u4"), np.zeros(5, "<u8"), np.zeros(4, "<i8"), np.zeros((4, 1), "<u8")])
def test_a_delta_of_another_base_is_refused(delta: np.ndarray) -> None:
    """Width, length or shape show it."""
    with pytest.raises(CorruptPartitionError, match="does not fit its base"):
        apply_delta(np.zeros(4), delta)


@pytest.mark.parametrize("scale", [2, -1, 1_000_000_000])
def test_an_unknown_scale_is_refused(scale: int) -> None:
    """Rather than read as something else."""
    with pytest.raises(CorruptPartitionError, match="scale"):
        apply_delta(np.zeros(4), np.zeros(4, "<u8"), scale)
