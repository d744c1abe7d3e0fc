"""Every store of activations gives back what was written: exactly, or within what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lance", reason="needs the extra 'bench'")

from benchmarks.activation_schemes import text_of
from benchmarks.activation_systems import PEERS, Hdf5GzipUnitsFirst, System
from benchmarks.our_activations import Bounded, Lossless
from benchmarks.vgg16 import SHAPES

LAYERS = (9, 19)


@pytest.fixture(scope="module")
def layers() -> dict[int, np.ndarray]:
    rng = np.random.default_rng(0)
    return {layer: np.maximum(rng.normal(-0.3, 1, (130, *SHAPES[layer])), 0).astype(np.float32) for layer in LAYERS}


@pytest.mark.parametrize(
    "kind", [*(kind for kind in PEERS if kind is not Hdf5GzipUnitsFirst), Lossless, Bounded], ids=lambda k: k.__name__
)
def test_reads_are_what_was_written(kind: type[System], layers: dict[int, np.ndarray], tmp_path: Path) -> None:
    system = kind(tmp_path / "system")
    system.start()
    for layer, values in layers.items():
        system.write(layer, values)
    system.finish()
    assert system.stored_bytes() > 10_000
    reader = system.reader(LAYERS)
    try:
        for layer, values in layers.items():
            shape = (values.shape[-1], len(values), *values.shape[1:-1])
            step = float(text_of(1.0, shape).removeprefix("bounded(").removesuffix(")"))
            allowed = (
                0.55 * step * float(values.std(axis=tuple(range(values.ndim - 1))).max()) if kind is Bounded else 0
            )
            for read, expected in (
                (reader.example(layer, 117), values[117]),
                (reader.unit(layer, 200), values[..., 200]),
                (reader.layer(layer), values),
            ):
                assert read.shape == expected.shape
                assert np.abs(read - expected).max() <= allowed
    finally:
        reader.close()
