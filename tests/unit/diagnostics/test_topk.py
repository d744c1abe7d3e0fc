"""TOPK equals a sort in plain Python: by value, ties by row id, missing values left out."""

import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mistique_core import Mistique
from mistique_core.diagnostics import topk
from mistique_core.errors import InvalidInputError, NotFoundError

RANKABLE = ["number", "float32", "whole", "small", "nullable", "flag", "maybe", "size", "day", "gone"]


def oracle(column: pd.Series, k: int, largest: bool) -> list[tuple[int, Any]]:
    """Return (row id, value) of the k examples, by sorting tuples."""
    sign = -1 if largest else 1
    codes = column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column
    ranks = [None if missing else _rank(code) for code, missing in zip(codes, column.isna(), strict=True)]
    ranked = sorted(
        (sign * rank, row, value)
        for rank, row, value in zip(ranks, column.index, column, strict=True)
        if rank is not None
    )
    return [(int(row), value) for _, row, value in ranked[:k]]


def _rank(value: Any) -> int | float:
    if isinstance(value, pd.Timestamp):
        return int(value.value)
    return float(value) if isinstance(value, float | np.floating) else int(value)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [1, 10, 1_000])
@pytest.mark.parametrize("column", RANKABLE)
def test_every_kind_of_column(
    store: Mistique, frames: dict[str, pd.DataFrame], column: str, k: int, largest: bool
) -> None:
    expected = oracle(frames["first"][column], k, largest)
    result = topk(store, f"p.first.x.{column}", k, largest=largest)
    assert list(zip(result.frame.index, result.frame[column], strict=True)) == expected
    assert result.frame[column].dtype == frames["first"][column].dtype
    assert result.frame.index.name == "row_id"
    side = "largest" if largest else "smallest"
    said = f"{side} value" if len(expected) == 1 else f"{len(expected)} {side} values"
    assert result.sentence.startswith(f"The {said} of {column} in p.first@1.x")


@pytest.mark.parametrize("model", ["single", "none"])
def test_few_rows(store: Mistique, frames: dict[str, pd.DataFrame], model: str) -> None:
    result = topk(store, f"p.{model}.x.whole")
    assert result.frame["whole"].tolist() == frames[model]["whole"].tolist()


@pytest.mark.parametrize("column", ["word", "kind"])
def test_columns_without_an_order_are_refused(store: Mistique, column: str) -> None:
    with pytest.raises(InvalidInputError, match=f"column '{column}' of dtype .* has no order to rank by; name a numb"):
        topk(store, f"p.first.x.{column}")


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True])
def test_k_must_be_a_count(store: Mistique, k: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"k=.* give (an integer|one) of at least 1"):
        topk(store, "p.first.x.number", k)


def test_all_columns_cannot_be_ranked(store: Mistique) -> None:
    for key in ("p.first.x", "p.first.x.*"):
        with pytest.raises(InvalidInputError, match="names all columns, where one is needed"):
            topk(store, key)


def test_an_unknown_column_is_named_with_a_remedy(store: Mistique) -> None:
    with pytest.raises(NotFoundError, match="has no column 'numbr'; did you mean 'number'"):
        topk(store, "p.first.x.numbr")


@settings(max_examples=25, deadline=None)
@given(
    values=st_numpy.arrays(
        st.sampled_from(["float64", "float32", "int64", "int8", "uint64", "bool"]), st.integers(0, 40)
    ),
    start=st.integers(-100, 100),
    k=st.integers(1, 45),
    largest=st.booleans(),
)
def test_any_numbers(store: Mistique, values: np.ndarray, start: int, k: int, largest: bool) -> None:
    rows = np.random.default_rng(len(values)).permutation(len(values)) * 3 + start
    column = pd.Series(values, index=pd.Index(rows, name="row_id"), name="a")
    model = uuid.uuid4().hex
    store.log_frame("drawn", model, "x", column.to_frame())
    result = topk(store, f"drawn.{model}.x.a", k, largest=largest)
    assert list(zip(result.frame.index, result.frame["a"], strict=True)) == oracle(column, k, largest)


@pytest.mark.parametrize("by", ["max", "mean", "norm"])
@pytest.mark.parametrize("largest", [True, False])
def test_units_are_ranked_by_their_maps(
    models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray, by: str, largest: bool
) -> None:
    unit = maps["conv"][..., 0].astype(np.float64).reshape(40, -1)
    scores = {"max": unit.max(axis=1), "mean": unit.mean(axis=1), "norm": np.sqrt((unit**2).sum(axis=1))}[by]
    sign = -1 if largest else 1
    ranked = sorted((sign * score, row) for score, row in zip(scores, map_rows, strict=True) if not np.isnan(score))
    result = topk(models, "p.net.conv.0", 100, largest=largest, by=by)
    assert result.row_id.tolist() == [row for _, row in ranked]
    np.testing.assert_allclose(result.frame[f"{by} of unit 0"], [sign * score for score, _ in ranked], rtol=1e-6)
    places = [list(map_rows).index(row) for row in result.row_id]
    np.testing.assert_array_equal(result.arrays["maps"], maps["conv"][places, ..., 0])


def test_companions_of_other_intermediates_are_missing_where_these_lack_the_row(
    models: Mistique, predictions: pd.DataFrame
) -> None:
    keys = ["p.half.y.town", "p.models.y.flag", "p.models.y.a"]
    result = topk(models, "p.models.y.a", 60, columns=keys)
    assert list(result.frame.columns) == ["a", "half.town", "models.flag", "models.a"]
    town = predictions["town"].iloc[:150].reindex(result.row_id)
    assert result.frame["half.town"].fillna("-").tolist() == town.fillna("-").tolist()
    assert result.frame["models.flag"].tolist() == predictions["flag"].loc[result.row_id].tolist()
    with pytest.raises(NotFoundError, match="no column 'twn'"):
        topk(models, "p.models.y.a", 3, columns="p.half.y.twn")


def test_only_some_rows_are_ranked(models: Mistique, predictions: pd.DataFrame) -> None:
    boats = predictions[predictions["kind"] == "boat"]
    for where in ("kind==boat", "p.models.y.kind==boat"):
        result = topk(models, "p.models.y.a", 3, where=where)
        assert result.row_id.tolist() == boats["a"].nlargest(3).index.tolist()
    some = predictions.index[:9]
    assert (
        topk(models, "p.models.y.a", 3, row_id=some).row_id.tolist() == predictions["a"][:9].nlargest(3).index.tolist()
    )
