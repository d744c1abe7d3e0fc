"""Network dissection equals Algorithm 2 written down cell by cell, with SciPy's interpolation."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import zoom

from mistique_core import Mistique
from mistique_core.diagnostics import netdissect
from mistique_core.diagnostics.values.concept_overlap import overlaps, thresholds, upsample
from mistique_core.errors import InvalidInputError


def algorithm_2(maps: np.ndarray, concept: np.ndarray, alpha: float) -> float:
    """IoU of one unit (rows, h, w) and one concept (rows, H, W), as the thesis writes it, with loops."""
    threshold = np.nanpercentile(maps.astype(float), 100 * (1 - alpha))
    above_only = threshold <= np.nanmin(maps)
    common = union = 0
    for activation, label in zip(maps.astype(float), concept, strict=True):
        factors = [large / small for large, small in zip(label.shape, activation.shape, strict=True)]
        enlarged = (
            activation if factors == [1, 1] else zoom(activation, factors, order=1, mode="nearest", grid_mode=True)
        )
        for i in range(label.shape[0]):
            for j in range(label.shape[1]):
                strong = enlarged[i, j] > threshold if above_only else enlarged[i, j] >= threshold
                common += bool(strong) and bool(label[i, j])
                union += bool(strong) or bool(label[i, j])
    return common / union if union else float("nan")


@pytest.mark.parametrize("alpha", [0.005, 0.2])
def test_layers_and_concepts_of_a_store(models: Mistique, maps: dict[str, np.ndarray], alpha: float) -> None:
    result = netdissect(models, ["p.net.conv.1", "p.net.conv.2", "p.net.conv.5"], "p.net.masks", alpha=alpha)
    assert result.arrays["concepts"].tolist() == ["cat", "dog", "car"]
    for unit, name in enumerate(("1", "2", "5")):
        expected = [algorithm_2(maps["conv"][..., int(name)], maps["masks"][..., c], alpha) for c in range(3)]
        np.testing.assert_allclose(result.arrays["iou"][unit], expected, atol=1e-12)
        row = result.frame.loc[name]
        assert row["iou"] == pytest.approx(max(expected))
        assert row["concept"] == ["cat", "dog", "car"][int(np.argmax(expected))]
    assert result.frame["iou"].is_monotonic_decreasing
    assert f"of 3 units ({100 * result.frame['detects'].mean():.1f} %) detect a concept" in result.sentence


def test_masks_as_an_array_are_aligned_by_row_id(
    models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray
) -> None:
    order = np.random.default_rng(1).permutation(40)
    masks = maps["masks"][order]
    result = netdissect(models, "p.net.deep", masks, row_id=map_rows[order], alpha=0.1)
    stored = netdissect(models, "p.net.deep", "p.net.masks", alpha=0.1)
    np.testing.assert_allclose(result.arrays["iou"], stored.arrays["iou"])
    one = netdissect(models, "p.net.deep", masks[..., 1], row_id=map_rows[order], alpha=0.1)
    np.testing.assert_allclose(one.arrays["iou"][:, 0], stored.arrays["iou"][:, 1])


def test_missing_activations_never_count_and_silent_units_detect_nothing() -> None:
    maps = np.zeros((2, 2, 2, 2))
    maps[0, 0, 0, 0] = np.nan
    maps[1, 1, 1, 0] = 3
    masks = np.ones((2, 2, 2, 1))
    limits = thresholds(maps, 0.5)
    assert limits.tolist() == [0, 0]
    assert overlaps(maps, masks, limits).tolist() == [[1 / 8], [0]]
    assert np.isnan(overlaps(maps[..., 1:], np.zeros((2, 2, 2, 1)), limits[1:])).all()
    assert np.isnan(thresholds(np.full((1, 2, 2, 1), np.nan), 0.5)).all()


def test_blocks_change_nothing(maps: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    limits = thresholds(maps["deep"], 0.1)
    whole = overlaps(maps["deep"], maps["masks"], limits)
    monkeypatch.setattr("mistique_core.diagnostics.values.concept_overlap._BLOCK_VALUES", 1)
    np.testing.assert_allclose(overlaps(maps["deep"], maps["masks"], limits), whole)


@pytest.mark.parametrize("size", [(4, 4), (8, 6), (7, 5)])
def test_enlarging_is_bilinear(size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 3 if size[1] != 4 else 4, 2))
    factors = (1, size[0] / values.shape[1], size[1] / values.shape[2], 1)
    np.testing.assert_allclose(
        upsample(values, *size), zoom(values, factors, order=1, mode="nearest", grid_mode=True), atol=1e-12
    )


def test_what_does_not_fit_is_refused(models: Mistique, maps: dict[str, np.ndarray], predictions: pd.DataFrame) -> None:
    with pytest.raises(InvalidInputError, match="masks as an array need row_id"):
        netdissect(models, "p.net.conv", maps["masks"])
    with pytest.raises(InvalidInputError, match=r"masks of shape \(40, 8, 8, 3\) do not fit 2 rows"):
        netdissect(models, "p.net.conv", maps["masks"], row_id=[0, 3])
    with pytest.raises(InvalidInputError, match="smaller than maps of 4 x 4; give masks of the images' size"):
        netdissect(models, "p.net.conv", "p.net.deep")
    with pytest.raises(InvalidInputError, match="'a' holds no maps of height and width"):
        netdissect(models, "p.models.y.a", "p.net.masks")
