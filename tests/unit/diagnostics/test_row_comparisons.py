"""ROW_DIFF and a row against the average, computed once more by pandas."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import row_average_compare, row_diff
from mistique_core.errors import InvalidInputError, NotFoundError

Y = "p.models.y"
NUMBERS = [
    "a",
    "b",
    "c",
    "d",
    "constant",
    "price",
    "price_a",
    "price_b",
    "truth",
    "p1",
    "p0",
    "guess_a",
    "guess_b",
    "flag",
]


def test_two_rows_by_standard_deviations(models: Mistique, predictions: pd.DataFrame) -> None:
    first, second = (int(row) for row in predictions.index[predictions["c"].notna()][:2])
    result = row_diff(models, Y, first, second)
    numbers = predictions[NUMBERS].astype(float)
    expected = (numbers.loc[second] - numbers.loc[first]) / numbers.std()
    found = result.frame.loc[NUMBERS, "deviations"]
    np.testing.assert_allclose(found.drop("constant"), expected.drop("constant"), rtol=1e-9, atol=1e-12)
    assert found["constant"] == 0
    assert set(result.frame.index) == set(predictions.columns)
    for name in predictions.columns:
        pair = [predictions[name].loc[row] for row in (first, second)]
        shown = [result.frame.loc[name, f"row {row}"] for row in (first, second)]
        assert [str(value) for value in shown] == [str(value) for value in pair] or np.allclose(shown, pair)
    ranked = result.frame["deviations"].abs()[result.frame["differs"]].dropna()
    assert ranked.is_monotonic_decreasing
    assert not result.frame["differs"].iloc[::-1].is_monotonic_decreasing or result.frame["differs"].all()
    assert result.row_id.tolist() == [first, second]
    assert f", most in {result.frame.index[0]} (" in result.sentence


def test_text_and_missing_values_differ_without_a_distance(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    frame = frames["first"]
    for first, second in zip(frame.index[:-1:7], frame.index[1::7], strict=False):
        result = row_diff(store, "p.first.x", int(first), int(second))
        for name in frame.columns:
            a, b = frame[name].loc[first], frame[name].loc[second]
            same = (pd.isna(a) and pd.isna(b)) or bool(pd.notna(a) and pd.notna(b) and a == b)
            assert result.frame.loc[name, "differs"] == (not same), name
        assert result.frame["differs"].tolist() == sorted(result.frame["differs"], reverse=True)


def test_without_standardizing_only_two_rows_are_read(models: Mistique, predictions: pd.DataFrame) -> None:
    first, second = (int(row) for row in predictions.index[:2])
    result = row_diff(models, [f"{Y}.a", f"{Y}.b"], first, second, standardize=False)
    assert result.frame.index.tolist() == ["b", "a"]
    assert "deviations" not in result.frame
    assert len(result.plan.targets) == 1


def test_maps_of_two_rows(models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray) -> None:
    first, second = maps["deep"][0].astype(float), maps["deep"][1].astype(float)
    result = row_diff(models, "p.net.deep", int(map_rows[0]), int(map_rows[1]))
    spread = maps["deep"].astype(float).mean(axis=(1, 2)).std(axis=0, ddof=1)
    for unit in range(5):
        row = result.frame.loc[str(unit)]
        apart = second[..., unit].mean() - first[..., unit].mean()
        assert row["deviations"] == pytest.approx(apart / spread[unit], rel=1e-6)
        assert row["map_distance"] == pytest.approx(np.linalg.norm(second[..., unit] - first[..., unit]))


def test_one_row_twice_or_unknown_is_refused(models: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="row_diff got row 4 twice"):
        row_diff(models, Y, 4, 4)
    with pytest.raises(NotFoundError, match="row_id 1 is not in"):
        row_diff(models, Y, 4, 1)


@pytest.mark.parametrize("label", [None, "boat"])
def test_a_row_against_a_group(models: Mistique, predictions: pd.DataFrame, label: str | None) -> None:
    row = int(predictions.index[3])
    result = row_average_compare(models, Y, row, group=f"{Y}.kind", label=label)
    wanted = label or predictions["kind"].loc[row]
    members = predictions.loc[predictions["kind"] == wanted, NUMBERS].astype(float)
    own = predictions.loc[row, NUMBERS].astype(float)
    found = result.frame.loc[NUMBERS]
    np.testing.assert_allclose(found["average"], members.mean(), rtol=1e-9, atol=1e-12)
    score = ((own - members.mean()) / members.std()).drop("constant")
    np.testing.assert_allclose(found["z"].drop("constant"), score, rtol=1e-9)
    assert found.loc["constant", "z"] == 0
    assert found["rows"].tolist() == members.notna().sum().tolist()
    assert result.frame["z"].dropna().abs().is_monotonic_decreasing
    assert result.facts["skipped"] == ["kind_guess", "town"]
    assert f"the average of kind = {wanted} ({len(members)} rows)" in result.sentence


def test_a_row_outside_of_the_rows_that_it_is_compared_with(models: Mistique, predictions: pd.DataFrame) -> None:
    row = int(predictions.index[predictions["kind"] == "flat"][0])
    result = row_average_compare(models, f"{Y}.a", row, where="kind==boat")
    boats = predictions.loc[predictions["kind"] == "boat", "a"]
    assert result.frame.loc["a", "z"] == pytest.approx((predictions["a"].loc[row] - boats.mean()) / boats.std())


def test_groups_too_small_and_constant_groups(tmp_path: Any) -> None:
    frame = pd.DataFrame({"v": [1.0, 2.0, 2.0, np.nan], "g": ["one", "two", "two", "two"]})
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame)
        alone = row_average_compare(store, "p.m.x", 0, group="p.m.x.g")
        assert alone.frame["z"].isna().all()
        assert "no column has enough values" in alone.sentence
        assert row_average_compare(store, "p.m.x", 0, group="p.m.x.g", label="two").frame.loc["v", "z"] == -np.inf
        assert row_average_compare(store, "p.m.x", 1, group="p.m.x.g").frame.loc["v", "z"] == 0
        assert np.isnan(row_average_compare(store, "p.m.x", 3).frame.loc["v", "z"])
        with pytest.raises(InvalidInputError, match="there is no group 'three'; known: one, two"):
            row_average_compare(store, "p.m.x", 0, group="p.m.x.g", label="three")
        with pytest.raises(InvalidInputError, match="label='two' names a group, but group is missing"):
            row_average_compare(store, "p.m.x", 0, label="two")
        with pytest.raises(NotFoundError, match="row_id 9 is not among the 4 rows"):
            row_average_compare(store, "p.m.x", 9)
