from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("blosc2", reason="needs the extra 'bench'")

from benchmarks.activation_schemes import SchemeCodec, encode_layers
from benchmarks.code_codecs import _ways
from benchmarks.lossy_peers import Blosc2Half, Blosc2Truncated, LossyCodec, Sz3, Zfp, step_of


def activations(units: int = 8, rows: int = 64, side: int = 8) -> np.ndarray:
    values = np.random.default_rng(0).normal(-0.3, 1, (units, rows, side, side)).astype(np.float32)
    return np.maximum(values, 0)


@pytest.mark.parametrize("way", _ways(), ids=lambda way: way.label)
@pytest.mark.parametrize("largest", [0, 3, 17, 256], ids=lambda largest: f"codes below {largest}")
def test_every_way_gives_any_codes_back(way: object, largest: int) -> None:
    codes = np.random.default_rng(1).geometric(0.5, 1003).clip(max=largest).astype(np.uint8) if largest < 256 else (
        np.random.default_rng(2).integers(0, 256, 1003, dtype=np.uint8)
    )  # fmt: skip
    stored = [way.compress(part) for part in way.pack(codes)]  # type: ignore[attr-defined]
    parts = [np.frombuffer(way.decompress(part), np.uint8) for part in stored]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(way.unpack(parts, codes.size), codes)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "codec",
    [Zfp(1), Sz3(1), Blosc2Truncated(4), Blosc2Half(), SchemeCodec("BOUNDED", "x1", 1.0)],
    ids=lambda codec: type(codec).__name__,
)
def test_codecs_keep_the_bound_that_they_report(codec: LossyCodec) -> None:
    values = activations()
    trip = codec.round_trip(values)
    assert trip.values.shape == values.shape
    assert 0 < trip.error_over_bound <= 1
    assert 0 < trip.stored_bytes < values.nbytes


@pytest.mark.parametrize("codec", [Zfp(1), Sz3(1), SchemeCodec("BOUNDED", "x1", 1.0)], ids=lambda codec: codec.family)
def test_absolute_bounds_are_half_a_step(codec: LossyCodec) -> None:
    values = activations()
    values /= values.std(axis=(1, 2, 3), keepdims=True)
    decoded = codec.round_trip(values).values
    assert np.abs(decoded.astype(np.float64) - values).max() <= 0.5 * step_of(8 * 64) * (1 + 1e-5)


def test_pool_falls_back_where_there_are_no_maps() -> None:
    codec = SchemeCodec("POOL", "2", "pool(2)+float16")
    assert codec.round_trip(activations()).values.shape == (8, 64, 4, 4)
    flat = activations()[:, :, 0, 0]
    np.testing.assert_array_equal(codec.round_trip(flat).values, flat.astype(np.float16).astype(np.float32))


def test_a_threshold_states_no_bound() -> None:
    trip = SchemeCodec("THRESHOLD", "80 %", "threshold(80%)").round_trip(activations())
    assert trip.values.dtype == np.bool_
    assert math.isnan(trip.error_over_bound)


def test_memory_layout_and_threads_do_not_change_what_is_stored() -> None:
    values = activations()
    side_by_side = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 0, -1)), -1, 0)
    alone, other = encode_layers([values, values[:3]], 1.0), encode_layers([side_by_side, values[:3]], 1.0, threads=2)
    stored = [[chunk.pages for item in layer for chunks in item.parts.values() for chunk in chunks] for layer in alone]
    again = [[chunk.pages for item in layer for chunks in item.parts.values() for chunk in chunks] for layer in other]
    assert stored == again
