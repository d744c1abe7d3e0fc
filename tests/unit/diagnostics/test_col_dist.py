"""Distributions equal NumPy's histograms and pandas' counts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import col_dist
from mistique_core.errors import InvalidInputError

Y = "p.models.y"


@pytest.mark.parametrize("bins", [1, 7, 20])
def test_numbers_are_binned_and_summed_up_by_group(models: Mistique, predictions: pd.DataFrame, bins: int) -> None:
    result = col_dist(models, f"{Y}.c", group=f"{Y}.town", bins=bins)
    edges = np.histogram_bin_edges(predictions["c"].dropna(), bins)
    np.testing.assert_allclose(result.frame["from"], edges[:-1])
    np.testing.assert_allclose(result.frame["to"], edges[1:])
    for told, (name, part) in zip(
        result.facts["groups"], predictions.groupby(predictions["town"].fillna("missing")), strict=True
    ):
        assert told["group"] == name
        assert result.frame[name].tolist() == np.histogram(part["c"].dropna(), edges)[0].tolist()
        assert (told["rows"], told["missing_rows"]) == (len(part), part["c"].isna().sum())
        assert told["mean"] == pytest.approx(part["c"].mean())
        assert told["std"] == pytest.approx(part["c"].std())
        assert [told[q] for q in ("min", "q25", "median", "q75", "max")] == pytest.approx(
            part["c"].quantile([0, 0.25, 0.5, 0.75, 1]).tolist()
        )
    assert set(result.row_id) == set(predictions.index)
    assert f"{predictions['c'].isna().sum()} are missing" in result.sentence


@pytest.mark.parametrize(
    "column", ["whole", "small", "nullable", "flag", "maybe", "word", "kind", "size", "day", "gone"]
)
def test_few_values_are_counted(store: Mistique, frames: dict[str, pd.DataFrame], column: str) -> None:
    frame = frames["first"]
    result = col_dist(store, f"p.first.x.{column}", group="p.first.x.flag")
    known = frame.dropna(subset=column)
    assert result.frame.to_numpy().sum() == len(known)
    for value, counts in result.frame.iterrows():
        for flag in (False, True):
            assert counts[str(flag)] == ((known[column] == value) & (known["flag"] == flag)).sum()
    assert result.facts["missing_rows"] == frame[column].isna().sum()


def test_infinities_are_counted_apart(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    told = col_dist(store, "p.first.x.number").facts["groups"][0]
    column = frames["first"]["number"]
    finite = column[np.isfinite(column)]
    assert told["infinite_rows"] == np.isinf(column).sum() == 2
    assert told["mean"] == pytest.approx(finite.mean())
    assert told["max"] == finite.max()


def test_dates_are_binned(tmp_path: Any) -> None:
    days = (
        pd.Series(pd.date_range("2026-01-01", periods=50, freq="h"), name="day")
        .sample(frac=1, random_state=0)
        .rename_axis("row_id")
    )
    with Mistique.open(tmp_path) as store:
        for name, column in (("naive", days), ("zoned", days.dt.tz_localize("Europe/Brussels"))):
            store.log_frame("p", name, "x", column.to_frame())
            result = col_dist(store, f"p.{name}.x.day", bins=7)
            assert result.frame["rows"].tolist() == np.histogram(days.astype("int64"), 7)[0].tolist()
            assert result.frame["from"].iloc[0] == column.min()
            assert result.frame["to"].iloc[-1] == column.max()


def test_only_rows_for_which_a_predicate_holds(models: Mistique, predictions: pd.DataFrame) -> None:
    expected = set(predictions.index[(predictions["kind"] == "boat") & predictions["flag"]])
    result = col_dist(models, f"{Y}.a", where=["kind==boat", ("flag", "==", True)])
    assert set(result.row_id) == expected
    result = col_dist(models, f"{Y}.a", where=[f"{Y}.kind==boat", f"{Y}.flag==true"])
    assert set(result.row_id) == expected


@pytest.mark.parametrize("model", ["single", "none"])
def test_few_rows(store: Mistique, frames: dict[str, pd.DataFrame], model: str) -> None:
    result = col_dist(store, f"p.{model}.x.whole", group=f"p.{model}.x.word")
    assert result.frame.to_numpy().sum() == len(frames[model])


def test_more_values_than_are_shown(tmp_path: Any) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"name": [f"n{i % 250}" for i in range(700)]}))
        result = col_dist(store, "p.m.x.name")
    assert len(result.frame) == 201
    assert result.frame.loc["other", "rows"] == 700 - result.frame["rows"].iloc[:200].sum()


def test_maps_have_no_distribution_of_their_own(models: Mistique) -> None:
    with pytest.raises(InvalidInputError, match=r"'2' of p.net@1.conv holds maps, where numbers or labels are needed"):
        col_dist(models, "p.net.conv.2")
