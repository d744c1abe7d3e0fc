"""Pooling inside the network's program against the exact averages and largest values."""

import numpy as np
import pytest

from mistique_core.networks.pooled_call import GraphPooling, can_pool
from mistique_core.quantizers import Pool, parse_scheme


@pytest.mark.parametrize("scheme", ["pool(2)", "pool(4)", "pool(S)", "pool(S, max)"])
@pytest.mark.parametrize("shape", [(4, 4, 5), (8, 8, 3), (32, 32, 2), (16, 8, 1)])
@pytest.mark.parametrize("kind", ["rectified", "signed", "huge", "not finite"])
def test_it_is_within_the_bound_that_it_states(scheme: str, shape: tuple[int, int, int], kind: str) -> None:
    quantizer = parse_scheme(scheme)
    assert isinstance(quantizer, Pool)
    assert can_pool(quantizer, shape, "float32")
    values = np.random.default_rng(0).standard_normal((7, *shape)).astype(np.float32) + np.float32(0.1)
    if kind == "rectified":
        values = np.maximum(values, 0)
    if kind == "huge":
        values *= np.float32(1e30)
    if kind == "not finite":
        values[0, 0, 0], values[1, 1, 1], values[2, 2, 2] = np.nan, np.inf, -np.inf
    pooled = GraphPooling(quantizer, shape[:2], kind == "rectified")(values)
    if kind == "not finite" and quantizer.how == "avg":
        assert pooled is None, "the quantizer looks at every value"
        return
    assert pooled is not None
    found, bound = pooled
    cells = shape[:2] if quantizer.sigma is None else (quantizer.sigma, quantizer.sigma)
    wide = values.astype(np.float64).reshape(
        7, shape[0] // cells[0], cells[0], shape[1] // cells[1], cells[1], shape[2]
    )
    exact = wide.max(axis=(2, 4)) if quantizer.how == "max" else wide.mean(axis=(2, 4))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(exact))
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(found[~finite & ~np.isnan(exact)], exact[~finite & ~np.isnan(exact)])
    error = float(np.abs(found[finite] - exact[finite]).max())
    assert error <= bound
    if quantizer.how == "avg":
        assert bound <= 2e-4 * np.abs(values).max()


@pytest.mark.parametrize(
    ("scheme", "shape", "dtype"),
    [
        ("pool(2, max)", (4, 4, 3), "float32"),
        ("pool(3)", (4, 4, 3), "float32"),
        ("pool(2)", (8, 3), "float32"),
        ("pool(2)", (4, 4, 3), "float16"),
        ("float16", (4, 4, 3), "float32"),
    ],
)
def test_what_the_program_cannot_pool_is_left_to_the_quantizer(scheme: str, shape: tuple[int, ...], dtype: str) -> None:
    """Largest values of cells too, since TensorFlow's max pooling passes over NaN."""
    assert not can_pool(parse_scheme(scheme), shape, dtype)
