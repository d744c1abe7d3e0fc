"""KBIT against np.quantile and np.searchsorted."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers import KBit, load_quantizer
from mistique_core.quantizers.bins import Bins, BinScratch
from mistique_core.testing.quantizers import DTYPES, QuantizerContract, hard_blocks, hard_values

QUICK = settings(deadline=None, max_examples=100)


class TestEightBits(QuantizerContract):
    scheme = "kbit(8)"
    holds_nan = holds_infinity = False


class TestThreeBits(QuantizerContract):
    scheme = "kbit(3)"
    map_shape = (2, 2)
    holds_nan = holds_infinity = False


class TestOneBit(QuantizerContract):
    scheme = "kbit(1)"
    holds_nan = holds_infinity = False


@pytest.mark.parametrize(
    ("dtype", "rows"), [*((dtype, 300) for dtype in DTYPES), ("float32", 40_000), ("float64", 40_000)]
)
@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_are_those_of_quantiles(dtype: str, bits: int, rows: int) -> None:
    """Of values that never repeat, bin i ends at the quantile i / 2**k, which belongs to it."""
    values = np.random.default_rng(bits).permutation(np.linspace(-1, 1, 2 * rows)).reshape(2, rows).astype(dtype)
    fitted = KBit(bits).fit(values)
    assert np.unique(values).size == values.size
    shares = np.arange(1, 1 << bits) / (1 << bits)
    edges = np.quantile(values, shares, method="inverted_cdf")
    np.testing.assert_array_equal(fitted.tables()["edges"], edges)
    codes = fitted.encode(values).parts["codes"]
    np.testing.assert_array_equal(codes, np.searchsorted(edges, values))
    counts = np.bincount(codes.reshape(-1), minlength=1 << bits)
    assert counts.max() - counts.min() <= 1
    means = np.bincount(codes.reshape(-1), values.reshape(-1).astype(np.float64)) / counts
    np.testing.assert_allclose(fitted.tables()["levels"], means, rtol=np.finfo(dtype).eps, atol=1e-9)


@QUICK
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
def test_bins_are_found_without_searching(data: st.DataObject, dtype: str) -> None:
    """The tables give what np.searchsorted gives, for edges and their neighbours too."""
    elements = hard_values(dtype, nan=False, infinity=False)
    near = data.draw(elements)
    several = st.lists(elements | st.floats(-1, 1, width=32).map(lambda x: near * (1 + x / 1e6)), max_size=20)
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.array(data.draw(several), dtype) + np.dtype(dtype).type(0)
    edges = np.unique(edges[np.isfinite(edges)])
    if data.draw(st.booleans()):
        edges = np.unique(np.abs(edges[edges != 0]))
    with np.errstate(over="ignore", under="ignore"):
        values = np.concatenate([
            edges,
            np.nextafter(edges, np.dtype(dtype).type(np.inf)),
            np.nextafter(edges, np.dtype(dtype).type(-np.inf)),
            np.array(data.draw(st.lists(elements, max_size=10)), dtype),
        ])  # fmt: skip
    values = values[np.isfinite(values)].reshape(1, -1)
    found = Bins(edges).codes(values, BinScratch(edges.dtype))
    np.testing.assert_array_equal(found, np.searchsorted(edges, values))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0, 1e9])
@pytest.mark.parametrize("rows", [100, 100_000])
def test_short_and_long_blocks_find_the_same_bins(dtype: str, offset: float, rows: int) -> None:
    """Wherever the values lie, and also where all edges crowd together between neighbouring floats."""
    random = np.random.default_rng(3)
    values = (random.normal(size=(1, rows)) + offset).astype(dtype)
    values[:, ::7] = offset
    fitted = KBit(8).fit(values)
    codes = fitted.encode(values).parts["codes"]
    np.testing.assert_array_equal(codes, np.searchsorted(fitted.tables()["edges"], values))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_fills_several_quantiles_is_exact(dtype: str) -> None:
    """Zeros of a ReLU, its ceiling, a filled-in mean: each has a bin of its own."""
    random = np.random.default_rng(5)
    values = np.clip(random.normal(1, 2, (1, 90_000)), 0, 3.3).astype(dtype)
    values[:, ::10] = 1.7
    fitted = KBit(8).fit(values)
    back = fitted.decode(fitted.encode(values).parts, 90_000)
    for common in (0, values.max(), np.dtype(dtype).type(1.7)):
        assert (values == common).mean() > 0.05
        np.testing.assert_array_equal(back[values == common], common)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("constant", [0.0, -1.1, 3e-8, 60000.0])
def test_constant_columns_are_exact(dtype: str, constant: float) -> None:
    values = np.full((2, 1000), constant, dtype)
    fitted = KBit(8).fit(values)
    encoded = fitted.encode(values)
    assert encoded.max_abs_error == 0.0
    np.testing.assert_array_equal(fitted.decode(encoded.parts, 1000), values)


@pytest.mark.parametrize("bits", range(1, 9))
def test_few_values_are_exact(bits: int) -> None:
    """As many different values as bins need no rounding at all."""
    values = np.random.default_rng(2).permutation(np.repeat(np.geomspace(1e-3, 1e3, 1 << bits), 50)).reshape(4, -1)
    fitted = KBit(bits).fit(values)
    encoded = fitted.encode(values)
    np.testing.assert_array_equal(fitted.decode(encoded.parts, values.shape[1]), values)


def test_values_beyond_the_sample_are_within_the_bound() -> None:
    """The outer bins end where the block ends, so that the stated error grows with it, and not without it."""
    sample = np.linspace(-1, 1, 1000)[None].astype(np.float32)
    fitted = KBit(4).fit(sample)
    inner = fitted.encode(sample).max_abs_error
    assert 0.0625 <= inner < 0.065
    for low, high in ((-1, 50), (-70, 1), (-1e30, 3e38)):
        block = np.array([[low, 0.3, high]], np.float32)
        encoded = fitted.encode(block)
        error = np.abs(fitted.decode(encoded.parts, 3).astype(np.float64) - block).max()
        assert error <= encoded.max_abs_error <= error * (1 + 1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_has_no_bin_is_refused(value: float, dtype: str) -> None:
    sample = np.linspace(0, 1, 100)[None].astype(dtype)
    block = np.tile(sample, 900)
    block[0, -1] = value
    what = "NaN" if math.isnan(value) else "infinity"
    with pytest.raises(InvalidInputError, match=rf"kbit\(8\) cannot hold {what}; use 'bounded"):
        KBit(8).fit(sample).encode(block)
    with pytest.raises(InvalidInputError, match=what):
        KBit(8).fit(block[:, -5:])


def test_an_empty_sample_fits_nothing() -> None:
    fitted = KBit(8).fit(np.empty((1, 0)))
    with pytest.raises(InvalidInputError, match="empty sample"):
        fitted.encode(np.zeros((1, 1)))


def test_large_samples_are_thinned_evenly() -> None:
    """A sample of maps is not always looked at in the same column of the maps."""
    values = np.zeros((2, 5000, 16, 16), np.float32)
    values += np.arange(16, dtype=np.float32)
    fitted = KBit(8).fit(values)
    encoded = fitted.encode(values[:, :10])
    np.testing.assert_array_equal(fitted.decode(encoded.parts, 10), values[:, :10])


@QUICK
@given(data=st.data(), dtype=st.sampled_from(DTYPES), bits=st.integers(1, 8))
def test_codes_keep_the_order_of_values(data: st.DataObject, dtype: str, bits: int) -> None:
    values = np.sort(data.draw(hard_blocks(dtype, (1, 12), nan=False, infinity=False)))
    fitted = KBit(bits).fit(values)
    parts = fitted.encode(values).parts
    assert np.all(np.diff(parts["codes"].astype(int)) >= 0)
    assert parts["codes"].max() < 1 << bits
    decoded = fitted.decode(parts, 12)
    assert np.all(decoded[:, 1:] >= decoded[:, :-1])


def test_stored_bins_are_checked() -> None:
    fitted = KBit(2).fit(np.linspace(0, 1, 100)[None])
    edges, levels = fitted.tables()["edges"], fitted.tables()["levels"]
    damaged = (
        (edges[::-1], levels),
        (edges[[0, 0, 1]], levels),
        (edges[:-1], levels),
        (np.append(edges, 7.0), np.append(levels, 8.0)),
        (np.array([-1, -0.0, 1]), levels),
        (np.array([-1, 0, np.inf]), levels),
    )
    for bad_edges, bad_levels in damaged:
        with pytest.raises(CorruptPartitionError):
            load_quantizer(fitted.config(), {"edges": bad_edges, "levels": bad_levels})
    for bits in (0, 9, "2", None, 2.0, True):
        with pytest.raises(CorruptPartitionError):
            load_quantizer({**fitted.config(), "bits": bits}, fitted.tables())


def test_codes_without_a_bin_are_refused() -> None:
    fitted = KBit(2).fit(np.linspace(0, 1, 100)[None])
    with pytest.raises(CorruptPartitionError, match="code 4 "):
        fitted.decode({"codes": np.array([0, 4, 1], np.uint8)}, 3)


@pytest.mark.parametrize("bits", [0, 9, -1, 2.0, True, None, "8"])
def test_bits_are_one_to_eight(bits: int) -> None:
    with pytest.raises(InvalidInputError, match="1 to 8"):
        KBit(bits)
