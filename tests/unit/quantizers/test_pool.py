"""POOL against loops over the cells of each map, in exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers import Bounded, FittedQuantizer, KBit, LowPrecision, Pool, Threshold, load_quantizer
from mistique_core.testing.quantizers import DTYPES, QuantizerContract


def cell_mean(cell: np.ndarray) -> float:
    numbers = [float(value) for value in cell.reshape(-1)]
    if all(math.isfinite(number) for number in numbers):
        return float(sum(map(Fraction, numbers)) / len(numbers))
    infinities = {number for number in numbers if math.isinf(number)}
    return infinities.pop() if len(infinities) == 1 and not any(map(math.isnan, numbers)) else math.nan


def cell_maximum(cell: np.ndarray) -> float:
    numbers = [float(value) for value in cell.reshape(-1)]
    return math.nan if any(map(math.isnan, numbers)) else max(numbers)


def pooled(values: np.ndarray, sigma: int | None, how: str) -> np.ndarray:
    """Return float64 cells of 2-D maps, one after the other."""
    units, rows, height, width = values.shape
    high, wide = (height, width) if sigma is None else (sigma, sigma)
    result = np.empty((units, rows, math.ceil(height / high), math.ceil(width / wide)))
    for unit, row, y, x in np.ndindex(result.shape):
        cell = values[unit, row, y * high : (y + 1) * high, x * wide : (x + 1) * wide]
        result[unit, row, y, x] = cell_mean(cell) if how == "avg" else cell_maximum(cell)
    return result


class PoolContract(QuantizerContract):
    """The contract, with exact pooling as the meaning of a decoded value."""

    map_shape = (3, 5)
    long_values = 15 * 1500
    sigma: int | None = 2
    how = "avg"

    def meaning(self, fitted: FittedQuantizer, values: np.ndarray) -> np.ndarray:
        return pooled(values, self.sigma, self.how)

    def refuses(self, fitted: FittedQuantizer, values: np.ndarray) -> bool:
        return super().refuses(fitted, self.meaning(fitted, values))


class TestPairs(PoolContract):
    scheme = "pool(2)"


class TestWholeMaps(PoolContract):
    scheme = "pool(S)"
    sigma = None


class TestLargest(PoolContract):
    scheme = "pool(3, max)"
    sigma, how = 3, "max"


class TestPairsInBins(PoolContract):
    scheme = "pool(2)+kbit(8)"
    holds_nan = holds_infinity = False


class TestPairsInSteps(PoolContract):
    scheme = "pool(2)+bounded(0.25)"


class TestLargestInHalves(PoolContract):
    scheme = "pool(S, max)+float16"
    sigma, how = None, "max"

    def refuses(self, fitted: FittedQuantizer, values: np.ndarray) -> bool:
        means = self.meaning(fitted, values)
        return bool((np.isfinite(means) & (np.abs(means) >= 65520)).any())


class TestLargestAboveThreshold(PoolContract):
    scheme = "pool(2, max)+threshold(value 0.5)"
    how = "max"

    def meaning(self, fitted: FittedQuantizer, values: np.ndarray) -> np.ndarray:
        return super().meaning(fitted, values) > 0.5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["avg", "max"])
@pytest.mark.parametrize(("sigma", "shape"), [(2, (8, 6)), (4, (8, 8)), (None, (7, 9)), (16, (8, 8))])
def test_many_maps_at_once(dtype: str, how: str, sigma: int | None, shape: tuple[int, int]) -> None:
    """Enough maps that they are pooled in several pieces, of full cells."""
    values = np.random.default_rng(1).normal(size=(3, 1300, *shape)).astype(dtype)
    high, wide = shape if sigma is None else (min(sigma, shape[0]), min(sigma, shape[1]))
    cells = values.astype(np.longdouble).reshape(3, 1300, shape[0] // high, high, shape[1] // wide, wide)
    expected = cells.mean(axis=(3, 5)) if how == "avg" else cells.max(axis=(3, 5))
    fitted = Pool(sigma, how).fit(values)
    encoded = fitted.encode(values)
    decoded = fitted.decode(encoded.parts, 1300)
    assert np.abs(decoded - expected).max() <= encoded.max_abs_error
    assert encoded.max_abs_error <= 2 * np.finfo(dtype).eps * max(1, high * wide * (dtype == "float64")) * 6
    assert (encoded.max_abs_error == 0) == (how == "max")


def test_smaller_last_cells() -> None:
    values = np.arange(15, dtype=np.float32).reshape(1, 1, 3, 5)
    encoded = Pool(2).fit(values).encode(values)
    np.testing.assert_array_equal(encoded.parts["values"][0, 0], [[3, 5, 6.5], [10.5, 12.5, 14]])
    encoded = Pool(2, "max").fit(values).encode(values)
    np.testing.assert_array_equal(encoded.parts["values"][0, 0], [[6, 8, 9], [11, 13, 14]])
    encoded = Pool(None).fit(values).encode(values)
    np.testing.assert_array_equal(encoded.parts["values"][0, 0], [[7]])


@pytest.mark.parametrize("shape", [(9,), (4, 3, 2)])
def test_maps_of_other_axes(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(2).normal(size=(2, 3, *shape))
    fitted = Pool(2).fit(values)
    decoded = fitted.decode(fitted.encode(values).parts, 3)
    assert fitted.decoded_map_shape == tuple(math.ceil(size / 2) for size in shape)
    last = tuple(slice((size - 1) // 2 * 2, None) for size in shape)
    np.testing.assert_allclose(
        decoded[(..., *(-1 for _ in shape))], values[(..., *last)].mean(axis=tuple(range(2, 2 + len(shape))))
    )


def test_huge_values_do_not_overflow() -> None:
    """The sum of a cell may be larger than any float64; its mean is not."""
    largest = np.finfo(np.float64).max
    values = np.full((1, 2, 4, 4), largest)
    values[0, 1, 0, 0] = -largest
    encoded = Pool(2).fit(values).encode(values)
    np.testing.assert_allclose(encoded.parts["values"][0, 0], largest, rtol=1e-15)
    np.testing.assert_allclose(encoded.parts["values"][0, 1, 0, 0], largest / 2, rtol=1e-15)
    values[0, 1] = 2.0**-1074
    encoded = Pool(2).fit(values).encode(values)
    np.testing.assert_array_equal(encoded.parts["values"][0, 1], 2.0**-1074)


def test_empty_maps() -> None:
    values = np.empty((2, 3, 0, 4), np.float32)
    for scheme in (Pool(2), Pool(None, "max"), Pool(2, then=Bounded(0.5))):
        fitted = scheme.fit(values)
        assert fitted.decode(fitted.encode(values).parts, 3).size == 0


def test_plain_numbers_are_no_maps() -> None:
    with pytest.raises(InvalidInputError, match="plain numbers"):
        Pool(2).fit(np.zeros((3, 10)))


def test_what_follows_sees_pooled_values() -> None:
    """Steps, bins and thresholds are fitted to the summaries, not to the values."""
    values = np.random.default_rng(4).normal(size=(2, 200, 4, 4)).astype(np.float32)
    means = pooled(values, 2, "avg").astype(np.float32)
    for scheme in (Bounded(0.25), KBit(5), Threshold(percentile=90), LowPrecision("float16")):
        chained, alone = Pool(2, then=scheme).fit(values), scheme.fit(means)
        for name, table in alone.tables().items():
            np.testing.assert_allclose(chained.tables()[name], table, rtol=1e-4)
        assert chained.encode(values).parts.keys() == alone.encode(means).parts.keys()
        assert chained.decoded_dtype == alone.decoded_dtype


def test_summaries() -> None:
    maps = np.zeros((1, 3, 4, 4))
    assert Pool(2).fit(maps).summary == "mean of 2x2 cells"
    assert Pool(None, "max").fit(maps).summary == "maximum of the whole map"
    assert Pool(2, then=LowPrecision("float16")).fit(maps).summary == "mean of 2x2 cells"
    assert Pool(2, then=Threshold(value=3.1)).fit(maps).summary == "mean of 2x2 cells > 3.1"


def test_stored_pooling_is_checked() -> None:
    maps = np.zeros((1, 3, 4, 4))
    fitted = Pool(2, then=Bounded(0.5)).fit(maps)
    config = fitted.config()
    for change in (
        {"sigma": 1},
        {"sigma": "2"},
        {"sigma": None},
        {"how": "min"},
        {"how": None},
        {"map_shape": []},
        {"map_shape": [8, 8]},
        {"then": {**config["then"], "units": 2}},
        {"then": {**config["then"], "units": 0}},
        {"then": {**Pool(2).fit(maps[:, :, :2, :2]).config()}},
        {"then": "bounded(0.5)"},
    ):
        with pytest.raises(CorruptPartitionError):
            load_quantizer({**config, **change}, fitted.tables())


@pytest.mark.parametrize("sigma", [1, 0, -2, 2.0, True, "2"])
def test_cells_have_at_least_two_values(sigma: int) -> None:
    with pytest.raises(InvalidInputError, match="from 2"):
        Pool(sigma)


def test_pooling_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="larger sigma"):
        Pool(2, then=Pool(2))
