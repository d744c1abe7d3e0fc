"""LP against NumPy's own conversions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers import FittedQuantizer, LowPrecision, load_quantizer
from mistique_core.quantizers.half import narrow, widen
from mistique_core.testing.quantizers import QuantizerContract, hard_blocks

QUICK = settings(deadline=None, max_examples=80)


def overflows(values: np.ndarray, dtype: str) -> bool:
    with np.errstate(over="ignore"):
        return bool((np.isinf(values.astype(dtype)) & np.isfinite(values)).any())


class TestFloat16(QuantizerContract):
    scheme = "float16"
    map_shape = (2, 3)

    def refuses(self, fitted: FittedQuantizer, values: np.ndarray) -> bool:
        return overflows(values, "float16")


class TestFloat32(QuantizerContract):
    scheme = "float32"

    def refuses(self, fitted: FittedQuantizer, values: np.ndarray) -> bool:
        return overflows(values, "float32")


def test_every_half_is_widened_like_numpy() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    numbers = ~np.isnan(halves)
    np.testing.assert_array_equal(
        widen(halves)[numbers].view(np.uint32), halves[numbers].astype(np.float32).view(np.uint32)
    )
    assert np.isnan(widen(halves)[~numbers]).all()
    assert widen(halves.reshape(256, 256).T).shape == (256, 256)


@pytest.mark.parametrize("low_bits", [0x0000, 0x0FFF, 0x1000, 0x1001, 0x1FFF, 0x3000])
def test_halves_are_rounded_like_numpy(low_bits: int) -> None:
    """Every sign, exponent and leading digits, with the endings that decide a rounding."""
    values = (np.arange(1 << 18, dtype=np.uint32) << 14 | low_bits).view(np.float32)
    numbers = ~np.isnan(values)
    with np.errstate(over="ignore", under="ignore"):
        expected = values[numbers].astype(np.float16)
    np.testing.assert_array_equal(narrow(values)[numbers].view(np.uint16), expected.view(np.uint16))
    finite = values[np.abs(values) < 65520]
    with np.errstate(under="ignore"):
        np.testing.assert_array_equal(narrow(finite).view(np.uint16), finite.astype(np.float16).view(np.uint16))
    assert np.isnan(narrow(values)[~numbers]).all()


@QUICK
@given(data=st.data(), dtypes=st.sampled_from([("float32", "float16"), ("float64", "float16"), ("float64", "float32")]))
def test_values_are_those_of_astype(data: st.DataObject, dtypes: tuple[str, str]) -> None:
    wide, short = dtypes
    values = data.draw(hard_blocks(wide, (2, data.draw(st.integers(0, 6)))))
    fitted = LowPrecision(short).fit(values)
    if overflows(values, short):
        with pytest.raises(InvalidInputError, match=f"{short} cannot hold"):
            fitted.encode(values)
        return
    encoded = fitted.encode(values)
    with np.errstate(under="ignore"):
        expected = values.astype(short)
    assert encoded.parts["values"].dtype == short
    np.testing.assert_array_equal(encoded.parts["values"], expected)
    np.testing.assert_array_equal(np.signbit(encoded.parts["values"])[values == 0], np.signbit(values)[values == 0])
    np.testing.assert_array_equal(fitted.decode(encoded.parts, values.shape[1]), expected.astype(wide))


@pytest.mark.parametrize(
    ("largest", "bound"), [(1.0, 2.0**-11), (1.999, 2.0**-11), (1000.0, 0.25), (2.0**-15, 2.0**-25), (0.0, 0.0)]
)
def test_the_bound_is_half_the_distance_of_halves(largest: float, bound: float) -> None:
    values = np.array([[largest, -largest / 3]], np.float32)
    assert LowPrecision("float16").fit(values).encode(values).max_abs_error == bound


@pytest.mark.parametrize("value", [70000.5, -1e10, 65520.0])
def test_overflow_names_the_value(value: float) -> None:
    values = np.zeros((1, 100_000))
    values[0, 90_000] = value
    with pytest.raises(InvalidInputError, match=f"float16 cannot hold {value}.*65504.*lossless"):
        LowPrecision("float16").fit(values).encode(values)
    values[0, 90_000] = math.copysign(65519.99, value)
    assert abs(LowPrecision("float16").fit(values).encode(values).parts["values"][0, 90_000]) == 65504


@pytest.mark.parametrize(("dtype", "scheme"), [("float16", "float16"), ("float16", "float32"), ("float32", "float32")])
def test_no_narrower_than_the_values(dtype: str, scheme: str) -> None:
    """Values that already are as short as asked for are kept bit for bit, as a copy."""
    values = np.random.default_rng(1).integers(0, 2**16, (2, 9, 2), dtype=np.uint16).view(dtype)
    fitted = LowPrecision(scheme).fit(values)
    encoded = fitted.encode(values)
    assert encoded.max_abs_error == 0.0
    assert encoded.parts["values"].dtype == dtype
    assert fitted.decode(encoded.parts, 9).tobytes() == values.tobytes()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'float16'"):
        LowPrecision("float15")
    fitted = LowPrecision("float16").fit(np.zeros((1, 2)))
    with pytest.raises(InvalidInputError, match="float8"):
        load_quantizer({**fitted.config(), "name": "float8"}, {})
    with pytest.raises(CorruptPartitionError, match="'values'"):
        fitted.decode({}, 2)
