"""THRESHOLD against plain comparisons."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers import FittedQuantizer, Threshold, load_quantizer
from mistique_core.testing.quantizers import DTYPES, QuantizerContract, hard_blocks, hard_values

QUICK = settings(deadline=None, max_examples=60)


class TestValue(QuantizerContract):
    scheme = "threshold(value 0.3)"
    map_shape = (3,)

    def meaning(self, fitted: FittedQuantizer, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float64) > 0.3


class TestPercentile(QuantizerContract):
    scheme = "threshold(99.5%)"

    def meaning(self, fitted: FittedQuantizer, values: np.ndarray) -> np.ndarray:
        limits = np.resize(fitted.tables()["limits"], (fitted.units, 1))
        return values.astype(np.float64) > limits


@QUICK
@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_any_value_is_compared_exactly(data: st.DataObject, dtype: str) -> None:
    """Also with a threshold that the dtype of the values cannot represent."""
    threshold = data.draw(hard_values("float64", nan=False, infinity=False))
    values = data.draw(hard_blocks(dtype, (2, 6)))
    fitted = Threshold(value=threshold).fit(values)
    expected = [[float(value) > threshold for value in unit] for unit in values]
    np.testing.assert_array_equal(fitted.decode(fitted.encode(values).parts, 6), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("percentile", [1.0, 50.0, 99.5, 99.99])
@pytest.mark.parametrize("rows", [1, 7, 1000, 3001])
def test_percentiles_are_of_each_unit(dtype: str, percentile: float, rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(3, rows, 2)).astype(dtype) * np.array(
        [[[1]], [[2]], [[0]]], dtype
    )
    limits = Threshold(percentile=percentile).fit(values).tables()["limits"]
    for unit, limit in zip(values.reshape(3, -1), limits, strict=True):
        assert limit in unit
        at_or_below = (unit <= limit).sum()
        below = (unit < limit).sum()
        assert below * 100 < percentile * unit.size <= at_or_below * 100 * (1 + 1e-12)


def test_percentiles_of_finite_values() -> None:
    values = np.array([[np.nan, 1, 2, 3, 4, np.inf], [5, 6, 7, 8, 9, 10]], np.float32)
    fitted = Threshold(percentile=50).fit(values)
    np.testing.assert_array_equal(fitted.tables()["limits"], [2, 7])
    decoded = fitted.decode(fitted.encode(values).parts, 6)
    np.testing.assert_array_equal(decoded, [[False, False, False, True, True, True], [False] * 3 + [True] * 3])
    with pytest.raises(InvalidInputError, match="unit 1 has no finite value"):
        Threshold(percentile=50).fit(np.array([[1.0], [np.inf]]))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 16, 70_001])
def test_one_bit_a_value(rows: int) -> None:
    """Bits of a unit are packed from the highest on, and each unit starts on a byte."""
    values = np.random.default_rng(rows).normal(size=(3, rows, 3)).astype(np.float32)
    encoded = Threshold(value=0).fit(values).encode(values)
    bits = encoded.parts["bits"]
    assert bits.shape == (3, math.ceil(rows * 3 / 8))
    for unit, packed in zip(values, bits, strict=True):
        text = "".join("1" if value > 0 else "0" for value in unit.reshape(-1))
        assert bytes(packed) == int(text.ljust(8 * len(packed), "0"), 2).to_bytes(len(packed), "big")


def test_summaries() -> None:
    values = np.zeros((1, 3))
    assert Threshold(value=3.1).fit(values).summary == "value > 3.1"
    assert Threshold(percentile=99.5).fit(values).summary == "value > percentile 99.5 of its unit"


def test_an_empty_sample_has_no_percentile() -> None:
    fitted = Threshold(percentile=50).fit(np.empty((2, 0)))
    with pytest.raises(InvalidInputError, match="empty sample"):
        fitted.encode(np.zeros((2, 1)))
    np.testing.assert_array_equal(Threshold(value=1).fit(np.empty((2, 0))).tables()["limits"], [1, 1])


def test_stored_thresholds_are_checked() -> None:
    fitted = Threshold(percentile=50).fit(np.arange(6.0).reshape(2, 3))
    for change in ({"percentile": 0}, {"percentile": None}, {"percentile": "x"}, {"value": 1.0}, {"percentile": [1]}):
        with pytest.raises(CorruptPartitionError):
            load_quantizer({**fitted.config(), **change}, fitted.tables())
    with pytest.raises(CorruptPartitionError, match="NaN"):
        load_quantizer(fitted.config(), {"limits": np.array([1.0, np.nan])})


@pytest.mark.parametrize("percentile", [0, 100, -1, 101, math.nan, math.inf, True, "50"])
def test_percentiles_leave_something_on_both_sides(percentile: float) -> None:
    with pytest.raises(InvalidInputError, match="between 0% and 100%"):
        Threshold(percentile=percentile)


@pytest.mark.parametrize("value", [math.nan, -math.inf, True, "3"])
def test_values_are_finite(value: float) -> None:
    with pytest.raises(InvalidInputError, match="finite"):
        Threshold(value=value)


def test_one_of_two_ways_to_say_it() -> None:
    for arguments in ({}, {"percentile": 50.0, "value": 1.0}):
        with pytest.raises(InvalidInputError, match="percentile or a value"):
            Threshold(**arguments)
