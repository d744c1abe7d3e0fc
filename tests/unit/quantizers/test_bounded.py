"""BOUNDED against float64 arithmetic: half a step everywhere, and bits where a step does not reach."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers import Bounded, load_quantizer
from mistique_core.testing.quantizers import DTYPES, QuantizerContract, hard_blocks

QUICK = settings(deadline=None, max_examples=60)


class TestQuarterSteps(QuantizerContract):
    scheme = "bounded(0.25)"


class TestLongSteps(QuantizerContract):
    scheme = "bounded(3)"
    map_shape = (3, 2)


class TestShortSteps(QuantizerContract):
    """Most values lie further away than 127 steps."""

    scheme = "bounded(0.001)"


def normal(dtype: str = "float32", rows: int = 5000, units: int = 2) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(units, rows)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("deviations", [0.02, 0.25, 1.7])
def test_codes_are_the_nearest_multiples_of_the_step(dtype: str, deviations: float) -> None:
    values = normal(dtype)
    fitted = Bounded(deviations).fit(values)
    steps = fitted.tables()["steps"].astype(np.float64)
    encoded = fitted.encode(values)
    quotients = values.astype(np.float64) / steps[:, None]
    codes = encoded.parts["codes"]
    coded = codes != -128
    assert np.all(np.abs(quotients - codes)[coded] <= 0.5 + 2.0**-16)
    np.testing.assert_array_equal(coded, np.abs(quotients) < 127.5)
    np.testing.assert_array_equal(encoded.parts["exact"], values[~coded])


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_follow_each_unit(dtype: str) -> None:
    """A step is the asked part of the deviation, or shorter by what the dtype of the values makes necessary."""
    values = normal(dtype) * np.array([[1], [64]], dtype)
    steps = Bounded(0.25).fit(values).tables()["steps"].astype(np.float64)
    wanted = 0.25 * values.astype(np.float64).std(axis=1)
    shorter = 1 - steps / wanted
    assert np.all(shorter >= 0)
    assert np.all(shorter < {"float16": 2.0**-3, "float32": 2.0**-14, "float64": 2.0**-40}[dtype])


@QUICK
@given(data=st.data(), deviations=st.sampled_from([0.01, 0.25, 3.0]), dtype=st.sampled_from(DTYPES))
def test_error_is_half_a_step_of_the_sample(data: st.DataObject, deviations: float, dtype: str) -> None:
    """The error is at most half of the deviations asked for, rounding included, and what is stated is no more."""
    values = data.draw(hard_blocks(dtype, (1, data.draw(st.integers(1, 8))), nan=False, infinity=False))
    fitted = Bounded(deviations).fit(values)
    encoded = fitted.encode(values)
    decoded = fitted.decode(encoded.parts, values.shape[1])
    exact = values.astype(np.longdouble)
    error = np.abs(decoded.astype(np.longdouble) - exact).max()
    allowed = np.longdouble(deviations) / 2 * exact.std()
    assert error <= encoded.max_abs_error <= allowed * (1 + np.longdouble(2) ** -50)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_bit_of_what_is_no_number(dtype: str) -> None:
    """NaN payloads, infinities and outliers are the same bits again, in their places."""
    values = normal(dtype, rows=3000)
    integers = {"float16": np.uint16, "float32": np.uint32, "float64": np.uint64}[dtype]
    fitted = Bounded(0.25).fit(values)
    block = values.copy()
    bits = block.view(integers)
    quiet = int(np.array(np.nan, dtype).view(integers))
    sign = 1 << (np.dtype(dtype).itemsize * 8 - 1)
    bits[0, 5], bits[1, 7], bits[1, 2999] = (
        quiet | 5,
        quiet | sign | 77,
        int(np.array(np.inf, dtype).view(integers)) + 1,
    )
    block[0, 9], block[0, 10], block[1, 0] = np.inf, -np.inf, np.finfo(dtype).max
    encoded = fitted.encode(block)
    back = fitted.decode(encoded.parts, 3000)
    kept = ~(np.abs(block) < 31)
    assert encoded.parts["exact"].size == kept.sum() == 6
    np.testing.assert_array_equal(back.view(integers)[kept], bits[kept])
    assert np.abs(back[~kept] - block[~kept]).max() <= encoded.max_abs_error


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("constant", [0.0, 1.1, -6.0e-8, 1e4, math.inf, math.nan])
def test_constant_columns_are_exact(dtype: str, constant: float) -> None:
    values = np.full((1, 1000), constant, dtype)
    fitted = Bounded(0.25).fit(values)
    encoded = fitted.encode(values)
    assert encoded.max_abs_error == 0.0
    np.testing.assert_array_equal(fitted.decode(encoded.parts, 1000), values)


def test_a_unit_that_never_fires_takes_no_exact_values() -> None:
    """Zeros are codes even where there is no step, and what comes later is exact."""
    fitted = Bounded(0.25).fit(np.zeros((1, 100), np.float32))
    assert fitted.encode(np.zeros((1, 70_000), np.float32)).parts["exact"].size == 0
    later = np.array([[0.0, -0.0, 1e-45, 3.25, 0.0]], np.float32)
    encoded = fitted.encode(later)
    np.testing.assert_array_equal(encoded.parts["codes"], [[0, 0, -128, -128, 0]])
    np.testing.assert_array_equal(fitted.decode(encoded.parts, 5), later)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_is_exact(dtype: str) -> None:
    values = normal(dtype)
    values[:, ::3] = 0
    values[:, 1::3] *= -0.0
    fitted = Bounded(2.0).fit(values)
    encoded = fitted.encode(values)
    assert not encoded.parts["codes"][values == 0].any()
    assert not fitted.decode(encoded.parts, 5000)[values == 0].any()


def test_units_far_apart_keep_their_own_steps() -> None:
    """Float64 units at both ends of the range are quantized, neither overflowing nor vanishing."""
    ordinary = normal("float64", units=1)
    scales = np.array([[1e-250], [1.0], [1e250]])
    values = ordinary * scales
    fitted = Bounded(0.25).fit(values)
    encoded = fitted.encode(values)
    assert encoded.parts["exact"].size == 0
    errors = np.abs(fitted.decode(encoded.parts, 5000) - values) / scales
    assert np.all(errors.max(axis=1) <= 0.125 * ordinary.std())


def test_escapes_must_match_the_exact_values() -> None:
    values = normal(rows=100)
    fitted = Bounded(0.02).fit(values)
    parts = fitted.encode(values).parts
    assert parts["exact"].size > 1
    codes = parts["codes"].copy()
    codes[codes == -128] = 0
    for damaged in ({**parts, "exact": parts["exact"][:-1]}, {**parts, "codes": codes}):
        with pytest.raises(CorruptPartitionError, match="exact values"):
            fitted.decode(damaged, 100)


@pytest.mark.parametrize("step", [-0.5, math.nan, math.inf, 1e-40, 1e31, 0.1])
def test_steps_that_no_fit_makes_are_refused(step: float) -> None:
    """Among them 0.1, whose products with the codes would be rounded beyond the bound."""
    fitted = Bounded(0.25).fit(normal())
    with pytest.raises(CorruptPartitionError, match="steps"):
        load_quantizer(fitted.config(), {"steps": np.array([0.25, step], np.float32)})


@pytest.mark.parametrize("deviations", [None, "a", [0.25], 0, -1, math.nan, math.inf])
def test_stored_parameters_are_checked(deviations: object) -> None:
    fitted = Bounded(0.25).fit(normal())
    with pytest.raises(CorruptPartitionError):
        load_quantizer({**fitted.config(), "deviations": deviations}, fitted.tables())


@pytest.mark.parametrize("deviations", [0, -0.25, math.nan, math.inf, True, "1", None])
def test_steps_have_to_be_positive(deviations: float) -> None:
    with pytest.raises(InvalidInputError, match="positive"):
        Bounded(deviations)
