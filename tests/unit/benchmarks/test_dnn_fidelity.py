from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("blosc2", reason="needs the extra 'bench'")

from benchmarks.fidelity_pictures import Point, draw_heatmaps, draw_points, shades
from benchmarks.fidelity_schemes import DEFAULT, GZIP, THESIS_DEFAULT, WIDTHS, Scheme, default_texts, one_text, ways
from benchmarks.layer_fidelity import kept_by_layer, kept_by_schemes
from benchmarks.vgg16 import SHAPES, VGG16


def activations(rows: int = 12, shape: tuple[int, ...] = (8, 8, 16)) -> np.ndarray:
    values = np.random.default_rng(0).normal(-0.3, 1, (rows, *shape)).astype(np.float32)
    return np.maximum(values, 0)


@pytest.mark.parametrize("way", ways(quick=False), ids=lambda way: way.label)
def test_every_way_gives_a_layer_back_in_its_order(way: object) -> None:
    values = activations()
    stored_bytes, decoded = way.trip(6, values)  # type: ignore[attr-defined]
    assert 0 < stored_bytes < values.nbytes
    assert decoded.shape[0] == 12
    assert decoded.shape[-1] == 16
    if way.exact:  # type: ignore[attr-defined]
        np.testing.assert_array_equal(decoded, values)
    elif decoded.shape == values.shape and decoded.dtype != np.bool_:
        assert np.corrcoef(values.ravel(), decoded.ravel())[0, 1] > 0.9


def test_the_default_is_exact_where_layers_are_narrow() -> None:
    texts = default_texts()
    assert {layer for layer, text in texts.items() if text == "lossless"} == {18, 19, 20, 21}
    values = activations(shape=(512,))
    stored_bytes, decoded = Scheme(DEFAULT, DEFAULT, texts).trip(19, values)
    np.testing.assert_array_equal(decoded, values)
    assert 0 < stored_bytes < values.nbytes * 1.1
    assert default_texts(2)[16] == "bounded(0.476)"


def test_names_are_those_of_the_report() -> None:
    for quick in (False, True):
        labels = [way.label for way in ways(quick)]
        assert {DEFAULT, THESIS_DEFAULT, GZIP} <= set(labels)
        assert len(set(labels)) == len(labels)
    assert one_text("pool(2)+float16")[17] == "pool(2)+float16"
    assert one_text("pool(2)+float16")[19] == "float16"
    assert sum(WIDTHS.values()) == 308_490


class Net(VGG16):
    """Random values in the shapes of the first and the last layers, near zero in all others."""

    def __init__(self) -> None:
        pass

    def layers(self, images: np.ndarray) -> object:  # type: ignore[override]
        for layer, shape in SHAPES.items():
            small = shape if layer > 10 else (2, 2, shape[-1])
            rng = np.random.default_rng(layer)
            projection = rng.normal(size=(3, int(np.prod(small)))).astype(np.float32)
            yield layer, (images[:, 0, 0].astype(np.float32) @ projection).reshape(-1, *small)


def test_exact_layers_keep_all_neighbours_in_one_pass_over_several_mixes() -> None:
    images = np.random.default_rng(4).integers(0, 256, (300, 1, 1, 3), dtype=np.uint8)
    queries = np.array([3, 250, 299])
    kept = kept_by_schemes(Net(), images, {"ours": default_texts(), "coarse": one_text("kbit(1)")}, queries, 10)
    assert [kept["ours"][layer] for layer in (18, 19, 20, 21)] == [1.0] * 4
    assert min(kept["ours"].values()) > max(kept["coarse"].values())
    assert kept_by_layer(Net(), images, "kbit(1)", queries, 10) == kept["coarse"]


def test_shades_use_the_whole_range() -> None:
    assert shades(np.array([[1.0, 3.0], [2.0, 1.0]])).tolist() == [[0, 255], [127.5, 0]]
    assert shades(np.ones((2, 2))).tolist() == [[0, 0], [0, 0]]


def test_pictures_are_written(tmp_path: Path) -> None:
    points = [
        Point(way.label, way.family, 3.0 + 40 * number, 1 - number / 100, number / 1_000)
        for number, way in enumerate(ways(quick=False))
    ]
    draw_points(points, tmp_path / "points.png", "few images")
    heatmaps = {name: np.random.default_rng(5).random((20, 10)) for name in ("full precision", "other")}
    draw_heatmaps(heatmaps, tmp_path / "deep" / "heatmaps.png")
    for path in (tmp_path / "points.png", tmp_path / "deep" / "heatmaps.png"):
        assert path.read_bytes()[:4] == b"\x89PNG"
