"""Decimals and the integers that they stand for change places, and nothing is lost."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.dedup.decimals import SCALES, decimal_scale, swap_decimals
from mistique_core.dedup.words import to_words

MOST = {4: 2**22, 8: 2**50}


def words_of(width: int) -> st.SearchStrategy[np.ndarray]:
    """Draw bit patterns: of any kind, of decimals, of small integers and of floats next to decimals."""
    steps = st.integers(1 - MOST[width], MOST[width] - 1) | st.integers(-1000, 1000)
    decimals = st.builds(lambda k, s: np.array([k / s], f"<f{width}"), steps, st.sampled_from(SCALES))
    patterns = (
        hnp.arrays(f"<u{width}", 1)
        | decimals.map(to_words)
        | decimals.map(lambda value: to_words(np.nextafter(value, np.array([np.inf], value.dtype))))
        | steps.map(lambda k: np.array([k], f"<i{width}").view(f"<u{width}"))
    )
    return st.lists(patterns, min_size=1, max_size=20).map(np.concatenate)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from([4, 8]).flatmap(words_of), st.sampled_from(SCALES))
def test_swapping_twice_changes_nothing(words: np.ndarray, scale: int) -> None:
    """Any bits at all."""
    before = words.copy()
    swapped = swap_decimals(words, scale)
    assert swapped.dtype == words.dtype
    assert np.array_equal(swap_decimals(swapped, scale), before)
    assert np.array_equal(words, before)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([4, 8]), st.integers(0, 10**9), st.sampled_from(SCALES))
def test_decimals_become_their_steps(width: int, seed: int, scale: int) -> None:
    """As exact decimal arithmetic counts them; zero has the bits zero anyway, and -0.0 stays."""
    random = np.random.default_rng(seed)
    steps = np.concatenate([random.integers(1 - MOST[width], MOST[width], 20), random.integers(-99, 99, 20), [0]])
    floats = np.array([float(Decimal(int(k)) / scale) for k in steps], f"<f{width}")
    assert swap_decimals(to_words(floats), scale).view(f"<i{width}").tolist() == steps.tolist()
    minus = to_words(np.array([-0.0], f"<f{width}"))
    assert np.array_equal(swap_decimals(minus, scale), minus)


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("digits", range(5))
def test_the_scale_is_the_number_of_digits(dtype: str, digits: int) -> None:
    """Also with gaps, and with a tenth of other values."""
    random = np.random.default_rng(digits)
    column = random.uniform(1, 90, 4000).round(digits)
    column[random.random(4000) < 0.3] = 0
    column[random.random(4000) < 0.3] = np.nan
    column[random.random(4000) < 0.05] = 100 * np.pi
    assert decimal_scale(column.astype(dtype)) == 10**digits


def test_what_is_no_column_of_decimals() -> None:
    """Full mantissas, two bytes, integers, few or no values."""
    random = np.random.default_rng(2)
    for values in (random.normal(size=900), np.float32(random.normal(size=900)), random.normal(1e9, 1e8, 900)):
        assert decimal_scale(values) is None
    assert decimal_scale(np.float32(random.lognormal(11, 1, 900))) is None
    assert decimal_scale(np.arange(900, dtype="<f2")) is None
    assert decimal_scale(np.arange(900)) is None
    assert decimal_scale(np.zeros(900)) is None
    assert decimal_scale(np.empty(0)) is None
    assert decimal_scale(np.full(900, np.nan)) is None
