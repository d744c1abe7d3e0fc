"""Correlations equal those of SciPy and pandas."""

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import feature_correlation
from mistique_core.diagnostics.values.correlation import correlations
from mistique_core.errors import InvalidInputError

Y = "p.models.y"


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("residual", [False, True])
def test_every_number_with_a_column_or_a_residual(
    models: Mistique, predictions: pd.DataFrame, method: str, residual: bool
) -> None:
    prediction = f"{Y}.price_b" if residual else None
    result = feature_correlation(models, Y, f"{Y}.price", prediction=prediction, method=method)
    target = predictions["price"] - predictions["price_b"] if residual else predictions["price"]
    left_out = {"price", "kind", "kind_guess", "town"} | ({"price_b"} if residual else set())
    assert set(result.frame.index) == set(predictions.columns) - left_out
    for name, row in result.frame.drop("constant").iterrows():
        column = predictions[str(name)].astype(float)
        assert row["correlation"] == pytest.approx(column.corr(target, method=method), abs=1e-12)  # type: ignore[arg-type]
        assert row["rows"] == column.notna().sum()
    assert np.isnan(result.frame.loc["constant", "correlation"])
    assert result.frame.index[-1] == "constant"
    assert result.frame["correlation"].dropna().abs().is_monotonic_decreasing
    if residual:
        assert result.frame.index[0] == "d"
        assert result.sentence.startswith("Most correlated with the residual price - price_b (")


def test_units_with_a_column_of_another_intermediate(
    models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray, predictions: pd.DataFrame
) -> None:
    result = feature_correlation(models, "p.net.deep", f"{Y}.a")
    common = [row for row in map_rows if row in predictions.index]
    places = [list(map_rows).index(row) for row in common]
    means = maps["deep"].astype(float).mean(axis=(1, 2))[places]
    for unit in range(5):
        expected = np.corrcoef(means[:, unit], predictions["a"].loc[common])[0, 1]
        assert result.frame.loc[str(unit), "correlation"] == pytest.approx(expected, rel=1e-6)
    assert set(result.row_id) == set(common)


def test_infinities_and_too_few_rows() -> None:
    values = np.array([[1.0, np.inf, np.nan], [2, 2, np.nan], [4, 3, 1], [3, 5, np.nan]])
    target = np.array([1.0, 2, 3, np.inf])
    found, rows = correlations(values, target)
    assert rows.tolist() == [3, 2, 1]
    assert found[0] == pytest.approx(np.corrcoef([1, 2, 4], [1, 2, 3])[0, 1])
    assert found[1] == pytest.approx(1)
    assert np.isnan(found[2])
    assert np.isnan(correlations(values[:1], target[:1])[0]).all()
    assert np.isnan(correlations(values[:0], target[:0])[0]).all()


def test_text_cannot_be_correlated_with(models: Mistique) -> None:
    with pytest.raises(InvalidInputError, match=r"p.models.y.kind holds str, where numbers are needed"):
        feature_correlation(models, Y, f"{Y}.kind")
    with pytest.raises(InvalidInputError, match="as target and as prediction; name two columns"):
        feature_correlation(models, Y, f"{Y}.a", prediction=f"{Y}.a")


def test_the_target_is_no_feature_even_under_another_key(models: Mistique, predictions: pd.DataFrame) -> None:
    frame = predictions[["a", "price"]]
    models.log_frame("p", "copy", "labels", frame[["price"]])
    models.log_frame("p", "copy", "features", frame)
    result = feature_correlation(models, "p.copy.features", "p.copy.labels.price")
    assert list(result.frame.index) == ["a"]
    named = feature_correlation(models, ["p.copy.features.a", "p.copy.features.price"], "p.copy.labels.price")
    assert named.frame["correlation"].iloc[0] == 1
