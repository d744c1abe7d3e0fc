"""What is stored beside codes so that they bound better: halves of numbers, norms of rows, tails of bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.quantizers import KBit, parse_scheme
from mistique_core.quantizers.row_norms import LEAST_VALUES
from mistique_core.quantizers.upper_half import ends_of, half_dtype, middle_of, upper_half

DTYPES = ["float16", "float32", "float64"]


@given(st.data(), st.sampled_from(DTYPES))
def test_a_number_lies_between_the_ends_of_its_half(data: st.DataObject, dtype: str) -> None:
    values = data.draw(hnp.arrays(dtype, 20, elements={"allow_nan": False}))
    halves = upper_half(values)
    assert halves.dtype == half_dtype(np.dtype(dtype))
    low, high = ends_of(halves, np.dtype(dtype))
    assert (low <= values).all()
    assert (values <= high).all()
    finite = np.isfinite(values)
    middle = middle_of(halves, np.dtype(dtype))[finite]
    assert (low[finite] <= middle).all()
    assert (middle <= high[finite]).all()
    normal = finite & (np.abs(values) > np.finfo(dtype).tiny)
    width = high[normal].astype(float) - low[normal].astype(float)
    assert (width <= 2.0**-6 * np.abs(values[normal].astype(float))).all()


def test_tails_make_the_largest_values_of_eight_bits_nearly_known() -> None:
    """The top bin reaches from its edge to the largest value; with its tails each value is known to a percent."""
    values = np.random.default_rng(0).exponential(size=(16, 2000)).astype(np.float32)
    fitted = KBit(8).fit(values)
    encoded = fitted.encode(values)
    top = values > np.quantile(values, 0.998)
    without, with_tails = (
        fitted.bounds(parts, 2000, encoded.max_abs_error)
        for parts in (encoded.parts, {**encoded.parts, **encoded.margins})
    )
    assert (without.high - without.low)[top].min() > 1.0
    assert ((with_tails.high - with_tails.low)[top] <= 0.01 * values[top]).all()
    assert encoded.margins["tails"].nbytes < 0.02 * encoded.parts["codes"].nbytes


@pytest.mark.parametrize("values", [np.maximum(np.random.default_rng(1).normal(size=(20, 900)), 0), np.ones((20, 900))])
def test_a_bin_of_one_value_has_no_tail(values: np.ndarray) -> None:
    """The zeros of a rectifier fill the first bin, and need no byte more."""
    values = values.astype(np.float32)
    encoded = KBit(8).fit(values).encode(values)
    assert encoded.margins.get("tails", np.empty(0)).size <= 0.006 * values.size


@pytest.mark.parametrize("scheme", ["kbit(8)", "bounded(0.25)"])
def test_norms_are_kept_of_wide_rows_only(scheme: str) -> None:
    for units, kept in ((LEAST_VALUES - 1, False), (LEAST_VALUES, True)):
        values = np.random.default_rng(2).normal(size=(units, 30)).astype(np.float32)
        fitted = parse_scheme(scheme).fit(values)  # type: ignore[union-attr]
        assert ("radius" in fitted.encode(values).margins) == kept


def test_escaped_values_count_nothing() -> None:
    """What is kept exactly is no further off for being huge, infinite or missing."""
    values = np.random.default_rng(3).normal(size=(LEAST_VALUES, 10)).astype(np.float32)
    fitted = parse_scheme("bounded(0.25)").fit(values)  # type: ignore[union-attr]
    plain = fitted.encode(values)
    values[5, :4] = [1e30, np.inf, -np.inf, np.nan]
    encoded = fitted.encode(values)
    before, after = (fitted.centres({**item.parts, **item.margins}, 10).radius for item in (plain, encoded))
    assert (after <= before * 1.02).all()
    np.testing.assert_array_equal(after[4:], before[4:])
