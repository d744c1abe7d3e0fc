"""KNN equals scikit-learn's distances and a sort in plain Python."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_distances, nan_euclidean_distances
from sklearn.preprocessing import StandardScaler

from mistique_core import Mistique
from mistique_core.diagnostics import knn
from mistique_core.diagnostics.values.nearest import distances_to, nearest
from mistique_core.errors import InvalidInputError, NotFoundError

FEATURES = ["a", "b", "c", "d", "constant"]


def nearest_by_sorting(distances: np.ndarray, ids: np.ndarray, own: int, k: int) -> list[tuple[int, float]]:
    pairs = [(float(value), int(row)) for value, row in zip(distances, ids, strict=True) if row != own]
    return [(row, value) for value, row in sorted(pair for pair in pairs if not np.isnan(pair[0]))[:k]]


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("k", [1, 10, 1_000])
def test_euclidean_distances_with_missing_values(
    models: Mistique, predictions: pd.DataFrame, k: int, standardize: bool
) -> None:
    own = int(predictions.index[5])
    values = predictions[FEATURES].to_numpy()
    if standardize:
        values = StandardScaler().fit_transform(values)
    expected = nearest_by_sorting(nan_euclidean_distances(values, values[[5]])[:, 0], predictions.index, own, k)
    result = knn(models, [f"p.models.y.{name}" for name in FEATURES], own, k, standardize=standardize)
    assert result.row_id.tolist() == [row for row, _ in expected]
    np.testing.assert_allclose(result.frame["distance"], [value for _, value in expected], rtol=1e-9)
    said = "The nearest" if len(expected) == 1 else f"The {len(expected)} nearest"
    assert result.sentence.startswith(f"{said} of 299 rows to row {own} in p.models@1.y by 5 columns")
    assert ("at euclidean distance " in result.sentence) == (len(expected) == 1)


def test_cosine_distances(models: Mistique, predictions: pd.DataFrame) -> None:
    own = int(predictions.index[5])
    values = predictions[["a", "b", "d"]].to_numpy()
    expected = nearest_by_sorting(cosine_distances(values, values[[5]])[:, 0], predictions.index, own, 8)
    result = knn(models, [f"p.models.y.{name}" for name in ("a", "b", "d")], own, 8, metric="cosine")
    np.testing.assert_allclose(result.frame["distance"], [value for _, value in expected], atol=1e-12)


def test_maps_are_compared_cell_by_cell(models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray) -> None:
    flat = maps["conv"].reshape(40, -1).astype(np.float64)
    expected = nearest_by_sorting(nan_euclidean_distances(flat, flat[[0]])[:, 0], map_rows, int(map_rows[0]), 5)
    result = knn(models, "p.net.conv", int(map_rows[0]), 5)
    assert result.row_id.tolist() == [row for row, _ in expected]
    np.testing.assert_allclose(result.frame["distance"], [value for _, value in expected], rtol=1e-6)


def test_text_is_skipped_and_named_and_companions_are_shown(models: Mistique, predictions: pd.DataFrame) -> None:
    own = int(predictions.index[0])
    keys = ["p.half.y.kind", "p.models.y.truth"]
    result = knn(models, "p.models.y", own, 4, columns=keys)
    assert result.facts["skipped"] == ["kind", "kind_guess", "town"]
    assert "skipped kind, kind_guess, town, which hold no numbers" in result.sentence
    assert list(result.frame.columns) == ["distance", "half.kind", "models.truth"]
    assert result.frame["models.truth"].tolist() == predictions["truth"].loc[result.row_id].tolist()
    known = predictions.iloc[:150]["kind"].reindex(result.row_id)
    assert result.frame["half.kind"].isna().tolist() == known.isna().tolist()
    assert result.facts["row"] == {
        "half.kind": predictions["kind"].iloc[0],
        "models.truth": predictions["truth"].iloc[0],
    }


def test_where_chooses_the_neighbours(models: Mistique, predictions: pd.DataFrame) -> None:
    flats = predictions[predictions["kind"] == "flat"]
    own = int(flats.index[0])
    result = knn(models, "p.models.y.a", own, 500, where="kind==flat")
    assert set(result.row_id) == set(flats.index) - {own}
    assert set(knn(models, "p.models.y.a", own, 500, where="p.models.y.kind==flat").row_id) == set(result.row_id)
    with pytest.raises(NotFoundError, match=f"row_id {own} is not among the"):
        knn(models, "p.models.y.a", own, where="kind==boat")


def test_ties_come_by_row_id_and_rows_without_common_numbers_not_at_all() -> None:
    values = np.array([[0.0, np.nan], [1, 5], [-1, 7], [np.nan, 3], [np.inf, np.nan], [1, np.inf]])
    ids = np.array([10, 9, 3, 4, 5, 8])
    found = nearest(values, ids, 0, 9)
    assert list(found.items()) == [(3, 2**0.5), (8, 2**0.5), (9, 2**0.5)]


def test_rows_of_zeros_have_the_cosine_distance_one() -> None:
    values = np.array([[0.0, 0.0], [1.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])
    assert distances_to(values, 1, metric="cosine").tolist() == [1.0, 0.0, 2.0, 1.0]
    assert distances_to(values, 0, metric="cosine").tolist() == [1.0, 1.0, 1.0, 1.0]


def test_many_blocks_equal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(50, 7))
    values[3, 2] = np.nan
    whole = distances_to(values, 4)
    monkeypatch.setattr("mistique_core.diagnostics.values.nearest._BLOCK_VALUES", 20)
    np.testing.assert_array_equal(distances_to(values, 4), whole)


@pytest.mark.parametrize("model", ["single"])
def test_a_single_row_has_no_neighbour(store: Mistique, frames: dict[str, pd.DataFrame], model: str) -> None:
    result = knn(store, f"p.{model}.x", int(frames[model].index[0]))
    assert len(result.frame) == 0
    assert result.sentence.startswith("The 0 nearest of 0 rows")


def test_without_numbers_there_is_no_distance(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    row = int(frames["first"].index[0])
    with pytest.raises(InvalidInputError, match=r"p.first.x.word holds str, where numbers are needed; leave it out"):
        knn(store, "p.first.x.word", row)
    with pytest.raises(NotFoundError, match="did you mean 'word'"):
        knn(store, "p.first.x.wrd", row)
    with pytest.raises(NotFoundError, match="row_id 999 is not among the 60 rows"):
        knn(store, "p.first.x", 999)
