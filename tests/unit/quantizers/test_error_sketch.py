"""What sketches of quantization errors say of products, against products in exact arithmetic."""

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError
from mistique_core.quantizers import Bounded, FittedQuantizer, load_quantizer, parse_scheme
from mistique_core.quantizers.low_frequencies import low_frequencies
from mistique_core.quantizers.margins import SKETCH
from mistique_core.ranking import DistanceBounds
from mistique_core.testing.quantizers import hard_blocks

MAPS = [(8, 8), (4, 4), (16,), (6, 10), (32, 32), (13, 13), (56, 56), (2, 3, 4), (55, 7), (257,)]
KINDS = ["relu", "smooth", "constant", "normal", "far", "mixed"]


def units_of(map_shape: tuple[int, ...]) -> int:
    """Return how many units make a group wide enough for a sketch."""
    return -(-1024 // math.prod(map_shape))


def made(kind: str, seed: int, rows: int, map_shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Return values that a layer could have, shape ``(units, rows, *map_shape)``."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(units_of(map_shape), rows, *map_shape))
    if kind in ("relu", "smooth"):
        values += 2 * rng.normal(size=(*values.shape[:2], *[1] * len(map_shape)))
        values += np.cos(np.linspace(0, 3, map_shape[-1])) * rng.normal(size=(*values.shape[:-1], 1))
    if kind in ("relu", "mixed"):
        values = np.maximum(values, 0)
    if kind == "constant":
        values[:] = values[:, :1]
    if kind == "far":
        values += 300
    if kind == "mixed":
        values *= 10.0 ** rng.integers(-6, 4, (len(values), *[1] * (values.ndim - 1)))
        values[0] = 0
    return values.astype(dtype)


def everything(fitted: FittedQuantizer, values: np.ndarray) -> dict[str, np.ndarray]:
    encoded = fitted.encode(values)
    return {**encoded.parts, **encoded.margins}


def exact_product(errors: np.ndarray, others: np.ndarray) -> float | Fraction:
    pairs = list(zip(errors.tolist(), others.tolist(), strict=True))
    if max(float(np.abs(errors).max(initial=0)), float(np.abs(others).max(initial=0))) < 1e150:
        return math.fsum(error * other for error, other in pairs)
    return sum((Fraction(error) * Fraction(other) for error, other in pairs), Fraction(0))


def check_products(fitted: FittedQuantizer, values: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = values.shape[1]
    parts = everything(fitted, values)
    centres = fitted.centres(parts, rows)
    with np.errstate(all="ignore"):
        working = np.float64 if values.dtype == np.float64 else np.float32
        others = np.subtract(query[:, None], centres.values, dtype=working)
        errors = values.astype(np.float64) - centres.values.astype(np.float64)
    found = fitted.error_products(parts, rows, others)
    assert found is not None
    known = parts["codes"].reshape(values.shape) != -128
    for row in range(rows):
        chosen = known[:, row] & (errors[:, row] != 0)
        if np.isfinite(errors[:, row][chosen]).all() and np.isfinite(others[:, row][chosen]).all():
            true = exact_product(errors[:, row][chosen], others[:, row][chosen])
            assert not found.high[row] < true
            assert not found.low[row] > true
        assert centres.least[row] <= math.hypot(*errors[:, row][known[:, row]].tolist()) * (1 + 1e-12)
    total = DistanceBounds(rows)
    total.add(slice(0, rows), centres.values, centres.radius, query, centres.least, found)
    with np.errstate(all="ignore"):
        away = (values.astype(np.float64) - query[:, None].astype(np.float64)).reshape(len(values), rows, -1)
        distances = np.sqrt(np.square(away).sum(axis=(0, 2)))
    low, high = total.bounds()
    certain = np.isfinite(distances)
    assert (low[certain] <= distances[certain] * (1 + 1e-12)).all()
    assert (distances[certain] <= high[certain] * (1 + 1e-12)).all()
    return low, high


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, 10_000),
    st.sampled_from(MAPS),
    st.sampled_from(KINDS),
    st.sampled_from(["float16", "float32", "float64"]),
    st.sampled_from([0.05, 0.5, 2.0]),
    st.integers(1, 5),
)
def test_products_lie_within_their_bounds(
    seed: int, map_shape: tuple[int, ...], kind: str, dtype: str, deviations: float, rows: int
) -> None:
    """Of values like the sample and unlike it, from queries of all kinds, and with values kept exactly."""
    rng = np.random.default_rng(seed)
    fitted = Bounded(deviations).fit(made(kind, seed, 12, map_shape, dtype))
    values = made(KINDS[seed % len(KINDS)], seed + 1, rows, map_shape, dtype)
    if seed % 3 == 0:
        values[rng.random(values.shape) < 0.01] = rng.choice([np.nan, np.inf, -np.inf, 3e4])
    if "sketch" not in fitted.config():
        assert low_frequencies(map_shape) is None or not fitted.tables()["steps"].any()
        return
    exact = np.nan_to_num(values[:, 0], nan=1.0, posinf=2.0, neginf=-2.0)
    # The errors themselves are the direction in which bounds are reached.
    codes = fitted.decode(fitted.encode(values).parts, rows)[:, 0]
    worst = np.nan_to_num(2 * exact - np.nan_to_num(codes, nan=0, posinf=0, neginf=0))
    for query in (exact, made(kind, seed + 2, 1, map_shape, dtype)[:, 0], np.zeros_like(exact), worst):
        check_products(fitted, values, query.astype(dtype))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(["float16", "float32", "float64"]))
def test_hard_values_lie_within_their_bounds(data: st.DataObject, dtype: str) -> None:
    """Huge and tiny ones, of which sums and squares leave the range of a dtype."""
    shape = (units_of((4, 4)), 3, 4, 4)
    fitted = Bounded(0.25).fit(data.draw(hard_blocks(dtype, shape, nan=False, infinity=False)))
    values = data.draw(hard_blocks(dtype, shape))
    if "sketch" not in fitted.config():
        return
    check_products(fitted, values, data.draw(hard_blocks(dtype, (shape[0], *shape[2:]), nan=False, infinity=False)))


@pytest.mark.parametrize("map_shape", [(8, 8), (32, 32)])
def test_fewer_rows_are_left_than_by_norms_alone(map_shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    y, x = (np.linspace(0, np.pi, size) for size in map_shape)
    waves = np.array([np.outer(np.cos(i * y), np.cos(j * x)) / (1 + i + j) for i in range(5) for j in range(5)])
    values = rng.normal(size=(units_of((8, 8)), 600, 25)) @ waves.reshape(25, -1)
    values += 0.2 * rng.normal(size=values.shape)
    values = np.maximum(values, 0).astype(np.float32).reshape(-1, 600, *map_shape)
    fitted = Bounded(1.5).fit(values[:, ::4])
    parts = everything(fitted, values)
    centres, query = fitted.centres(parts, 600), values[:, 7]
    distances = np.sqrt(np.square(values - query[:, None]).sum(axis=(0, 2, 3), dtype=np.float64))
    limit, left = np.sort(distances)[5], []
    for products in (None, fitted.error_products(parts, 600, query[:, None] - centres.values)):
        total = DistanceBounds(600)
        total.add(slice(0, 600), centres.values, centres.radius, query, centres.least, products)
        left.append(int(np.count_nonzero(total.bounds()[0] <= limit)))
    assert left[1] < 0.75 * left[0]
    assert left[1] >= 6


def test_groups_that_are_narrow_and_maps_that_are_small_have_none() -> None:
    cases = (((64, 20, 4, 4), True), ((63, 20, 4, 4), False), ((512, 20, 2, 2), False), ((2048, 9), False))
    for shape, sketched in cases:
        values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        fitted = Bounded(0.25).fit(values)
        assert (SKETCH in fitted.encode(values).margins) == sketched
        assert ("weights" in fitted.tables()) == sketched
    flat = np.zeros((64, 20, 4, 4), np.float32)
    assert SKETCH not in Bounded(0.25).fit(flat).encode(flat).margins
    one = np.random.default_rng(0).normal(size=(64, 1, 4, 4)).astype(np.float32)
    assert SKETCH not in Bounded(0.25).fit(one).encode(one).margins, "no two rows to compare"


def test_of_pooled_maps_there_is_none() -> None:
    """Nothing bounds distances of what was pooled, so that nobody would read it."""
    values = np.random.default_rng(0).normal(size=(64, 20, 8, 8)).astype(np.float32)
    fitted = parse_scheme("pool(2, max)+bounded(0.25)").fit(values)  # type: ignore[union-attr]
    assert set(fitted.encode(values).margins) == {"radius"}
    assert set(fitted.tables()) == {"steps"}


def test_stores_of_earlier_releases_are_read() -> None:
    """Codes are the same with and without a sketch; a fit without one loads, and so do blocks without the part."""
    values = made("relu", 1, 30, (8, 8))
    fitted = Bounded(0.25).fit(values)
    config = {name: value for name, value in fitted.config().items() if name != "sketch"}
    older = load_quantizer(config, {"steps": fitted.tables()["steps"]})
    parts, before = everything(fitted, values), everything(older, values)
    assert set(parts) - set(before) == {SKETCH}
    for name, array in before.items():
        np.testing.assert_array_equal(parts[name], array)
    others = np.zeros_like(values)
    assert older.error_products(before, 30, others) is None
    assert older.error_products(parts, 30, others) is None
    assert fitted.error_products(before, 30, others) is None
    assert older.config() == config


def test_damaged_weights_and_numbers_are_refused() -> None:
    values = made("relu", 1, 30, (8, 8))
    fitted = Bounded(0.25).fit(values)
    tables, parts, others = fitted.tables(), everything(fitted, values), np.zeros_like(values)
    weights = tables["weights"]
    for damaged in (weights[:, :-1], weights.astype(np.int16), np.full_like(weights, -128)):
        with pytest.raises(CorruptPartitionError):
            load_quantizer(fitted.config(), {**tables, "weights": damaged})
    for damaged in (parts[SKETCH][:2], parts[SKETCH].astype(np.float32)):
        with pytest.raises(CorruptPartitionError):
            fitted.error_products({**parts, SKETCH: damaged}, 30, others)
    loaded = load_quantizer(fitted.config(), {name: table.reshape(-1) for name, table in tables.items()})
    assert loaded.encode(values).margins[SKETCH].tobytes() == parts[SKETCH].tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_memory_layout_does_not_matter(dtype: str) -> None:
    values = made("relu", 3, 150, (8, 8), dtype)
    expected = Bounded(0.25).fit(values)
    numbers = expected.encode(values).margins[SKETCH]
    assert numbers.dtype == np.float16
    assert numbers.nbytes == 6 * 150
    side_by_side = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 0, -1)), -1, 0)
    for other in (side_by_side, np.asfortranarray(values), values.astype(values.dtype.newbyteorder())):
        fitted = Bounded(0.25).fit(other)
        np.testing.assert_array_equal(fitted.tables()["weights"], expected.tables()["weights"])
        assert fitted.encode(other).margins[SKETCH].tobytes() == numbers.tobytes()
    halves = [expected.encode(values[:, :75]), expected.encode(values[:, 75:])]
    assert np.concatenate([half.margins[SKETCH] for half in halves], axis=1).tobytes() == numbers.tobytes()


def test_bytes_are_the_same_everywhere() -> None:
    """Never change them: a store holds such bytes. A change of format needs a new name beside the old one."""
    numbers = np.arange(16 * 40 * 8 * 8) * 7919 % 104_729 - 50_000
    values = np.maximum(numbers / 2**16, 0).astype(np.float32).reshape(16, 40, 8, 8)
    values += (np.arange(16 * 40) * 31 % 47 / 32).astype(np.float32).reshape(16, 40, 1, 1)
    fitted = Bounded(0.5).fit(values)
    assert fitted.config() == {
        "version": 1, "units": 16, "map_shape": [8, 8], "dtype": "float32",
        "name": "bounded", "deviations": 0.5, "sketch": 1,
    }  # fmt: skip
    hasher = hashlib.sha256()
    for array in (fitted.tables()["weights"], fitted.encode(values).margins[SKETCH]):
        hasher.update(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())
    assert hasher.hexdigest()[:32] == "421231560d5167f8e111f6c19ebcd005"


def test_numbers_are_what_the_format_says() -> None:
    """The formulas of docs/partition_format.md, in float64."""
    values = made("relu", 9, 25, (8, 8))
    fitted = Bounded(0.5).fit(values)
    parts, tables = everything(fitted, values), fitted.tables()
    waves = low_frequencies((8, 8))
    assert waves is not None
    steps, codes = tables["steps"].astype(float), parts["codes"].reshape(16, 25, 64).astype(float)
    exponents = tables["weights"].astype(int)
    weights = (1 + 0.5 * (exponents & 1)) * 2.0 ** (exponents >> 1)
    errors = (values.reshape(16, 25, 64).astype(float) - codes * steps[:, None, None]) / steps[:, None, None]
    y = np.where(codes == 0, 1.3125, 1) * errors
    heights = y @ waves.waves.T.astype(float) / waves.scale
    further = np.maximum(weights[:, 1:] - weights[:, :1], 0)
    squares = weights[:, 0] @ np.square(y).sum(axis=2) + np.einsum("urk,uk->r", np.square(heights), further)
    relative = np.square(steps / steps.max())
    unit = math.sqrt(16 * 64)
    np.testing.assert_allclose(parts[SKETCH][0] * unit, np.sqrt(squares), rtol=0.01)
    assert (parts[SKETCH][0] * unit >= np.sqrt(squares)).all()
    np.testing.assert_allclose(parts[SKETCH][1] * unit, relative @ (codes * errors).sum(2), rtol=1e-2, atol=0.05)
    np.testing.assert_allclose(parts[SKETCH][2] * unit, relative @ ((codes != 0) * errors).sum(2), rtol=1e-2, atol=0.05)


@pytest.mark.parametrize("map_shape", [*MAPS, (224, 224), (14, 14), (64, 64)])
def test_waves_are_nearly_orthonormal_and_products_are_exact(map_shape: tuple[int, ...]) -> None:
    waves = low_frequencies(map_shape)
    if waves is None:
        assert map_shape in ((55, 7), (257,)), "no equal cells, few enough"
        return
    size = math.prod(map_shape)
    assert math.prod(waves.cells) * waves.cell_values == size
    assert 1 <= len(waves.waves) <= 64
    whole = np.random.default_rng(0).integers(-waves.parts, waves.parts, (3, size)).astype(np.float32)
    whole[0] = np.where(np.arange(size) % 2, waves.parts, -waves.parts)
    whole[1] = waves.parts
    products = waves.of(whole)
    plain = whole.astype(np.float64).reshape(3, *map_shape)
    cells = np.zeros((3, *waves.cells))
    for place in np.ndindex(*map_shape):
        cells[(slice(None), *(index // waves.cell for index in place))] += plain[(slice(None), *place)]
    np.testing.assert_array_equal(products, cells.reshape(3, -1) @ waves.waves.T.astype(np.float64))
    gram = waves.waves.astype(float) @ waves.waves.T.astype(float) * waves.cell_values / waves.scale**2
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=0.06)


def test_maps_of_one_cell_have_no_waves() -> None:
    assert low_frequencies(()) is None
    assert low_frequencies((1, 1)) is None
    assert low_frequencies((1021, 1)) is None
