"""Averages by class equal pandas' grouped means."""

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import vis
from mistique_core.errors import InvalidInputError

Y = "p.models.y"


def test_features_of_a_table(models: Mistique, predictions: pd.DataFrame) -> None:
    result = vis(models, Y, f"{Y}.town")
    numbers = predictions.select_dtypes(["number", "bool"]).astype(float)
    expected = numbers.groupby(predictions["town"].fillna("missing")).mean().T
    pd.testing.assert_frame_equal(result.frame, expected, check_names=False, check_index_type=False)
    assert result.facts["skipped"] == ["kind", "kind_guess"]
    assert [item["rows"] for item in result.facts["classes"]] == predictions["town"].fillna(
        "missing"
    ).value_counts().sort_index().tolist()


def test_groups_of_another_intermediate_and_a_predicate(models: Mistique, predictions: pd.DataFrame) -> None:
    half = predictions.iloc[:150]
    result = vis(models, [f"{Y}.a", f"{Y}.b"], "p.half.y.flag", where="p.models.y.kind==boat")
    part = half[half["kind"] == "boat"]
    expected = part.groupby("flag")[["a", "b"]].mean().T
    np.testing.assert_allclose(result.frame, expected)
    assert list(result.frame.columns) == ["False", "True"]


def test_units_with_maps(
    models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray, predictions: pd.DataFrame
) -> None:
    result = vis(models, "p.net.conv", f"{Y}.flag", maps="cells")
    common = np.isin(map_rows, predictions.index)
    values, flags = maps["conv"][common].astype(float), predictions["flag"].loc[map_rows[common]].to_numpy()
    for place, flag in enumerate((False, True)):
        np.testing.assert_allclose(result.arrays["maps"][place], np.nanmean(values[flags == flag], axis=0), rtol=1e-6)
        means = pd.DataFrame(values.mean(axis=(1, 2)))[flags == flag].mean()
        np.testing.assert_allclose(result.frame[str(flag)], means, rtol=1e-6)
    assert "; " in result.sentence
    alone = vis(models, "p.net.conv.2")
    np.testing.assert_allclose(alone.frame["all"], [maps["conv"][..., 2].mean()], rtol=1e-6)


@pytest.mark.parametrize("model", ["single", "none"])
def test_few_rows(store: Mistique, frames: dict[str, pd.DataFrame], model: str) -> None:
    result = vis(store, f"p.{model}.x", f"p.{model}.x.kind")
    assert result.frame.shape[1] == len(frames[model])


def test_infinities_stay_and_unused_categories_do_not_come(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    frame = frames["first"]
    result = vis(store, "p.first.x.number", "p.first.x.kind")
    with np.errstate(invalid="ignore"):
        expected = frame.groupby("kind", observed=True)["number"].mean()
    assert list(result.frame.columns) == list(expected.index) == ["red", "green", "blue"]
    np.testing.assert_allclose(result.frame.loc["number"], expected)


def test_cells_need_maps(models: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="'a' has no maps to average by cells"):
        vis(models, f"{Y}.a", maps="cells")
    with pytest.raises(InvalidInputError, match="holds maps, where numbers or labels are needed"):
        vis(models, f"{Y}.a", "p.net.conv.1")
