"""COL_DIFF equals a comparison row by row in plain Python."""

import uuid
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mistique_core import Mistique
from mistique_core.diagnostics import col_diff
from mistique_core.errors import InvalidInputError

COLUMNS = ["number", "float32", "whole", "small", "nullable", "flag", "maybe", "word", "kind", "size", "day", "gone"]


def differ(first: Any, second: Any, tolerance: float) -> bool:
    """Return whether two cells differ; two missing ones do not."""
    if pd.isna(first) or pd.isna(second):
        return bool(pd.isna(first)) != bool(pd.isna(second))
    if isinstance(first, str | pd.Timestamp):
        return bool(first != second)
    if first == second:
        return False
    if any(isinstance(value, float | np.floating) and not np.isfinite(value) for value in (first, second)):
        return True
    return abs(exact(first) - exact(second)) > tolerance


def exact(value: Any) -> Fraction:
    return Fraction(float(value)) if isinstance(value, float | np.floating) else Fraction(int(value))


def oracle(first: pd.Series, second: pd.Series, tolerance: float = 0.0) -> set[int]:
    """Return the row ids that both have and for which they differ."""
    left, right = (dict(zip(column.index, column, strict=True)) for column in (first, second))
    return {int(row) for row in left.keys() & right.keys() if differ(left[row], right[row], tolerance)}


@pytest.mark.parametrize("tolerance", [0.0, 1])
@pytest.mark.parametrize("models", [("first", "second"), ("first", "other"), ("first", "far")])
@pytest.mark.parametrize("column", COLUMNS)
def test_every_kind_of_column_on_common_rows(
    store: Mistique, frames: dict[str, pd.DataFrame], column: str, models: tuple[str, str], tolerance: float
) -> None:
    first, second = (frames[model][column] for model in models)
    expected = oracle(first, second, tolerance)
    result = col_diff(store, *(f"p.{model}.x.{column}" for model in models), tolerance=tolerance)
    common = first.index.intersection(second.index)
    assert set(result.frame.index) == expected
    assert result.facts == {"compared_rows": len(common), "different_rows": len(expected)}
    assert f" for {len(expected)} of {len(common)} examples" in result.sentence
    for position, whole in enumerate((first, second)):
        shown = result.frame.iloc[:, position]
        pd.testing.assert_series_equal(shown, whole.loc[result.frame.index], check_names=False, check_freq=False)


def test_numbers_come_by_descending_difference(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    result = col_diff(store, "p.first.x.whole", "p.second.x.whole")
    expected = (frames["first"]["whole"] - frames["second"]["whole"].loc[frames["first"].index]).abs()
    ranked = sorted((-difference, row) for row, difference in expected.items() if difference)
    assert list(zip(-result.frame["difference"], result.frame.index, strict=True)) == ranked


@pytest.mark.parametrize(("first", "second"), [("single", "second"), ("none", "first"), ("none", "far")])
def test_few_rows(store: Mistique, frames: dict[str, pd.DataFrame], first: str, second: str) -> None:
    for column in ("number", "word"):
        result = col_diff(store, f"p.{first}.x.{column}", f"p.{second}.x.{column}")
        assert set(result.frame.index) == oracle(frames[first][column], frames[second][column])
        assert len(result.frame) <= 1


@pytest.mark.parametrize(
    ("first", "second"), [("word", "whole"), ("kind", "word"), ("day", "number"), ("flag", "word")]
)
def test_columns_of_different_kinds(store: Mistique, frames: dict[str, pd.DataFrame], first: str, second: str) -> None:
    frame = frames["first"]
    result = col_diff(store, f"p.first.x.{first}", f"p.first.x.{second}")
    pairs = zip(frame.index, frame[first], frame[second], strict=True)
    expected = {row for row, a, b in pairs if not (pd.isna(a) and pd.isna(b)) and (pd.isna(a) or pd.isna(b) or a != b)}
    assert set(result.frame.index) == expected


def test_integers_beyond_the_precision_of_floats(tmp_path: Any) -> None:
    with Mistique.open(tmp_path) as store:
        for model, value in (("a", 2**53), ("b", 2**53 + 1)):
            store.log_frame("p", model, "x", pd.DataFrame({"v": [value, 7]}))
        result = col_diff(store, "p.a.x.v", "p.b.x.v")
    assert result.frame["difference"].to_dict() == {0: 1.0}


def test_a_column_that_is_itself_called_difference(tmp_path: Any) -> None:
    frame = pd.DataFrame({"difference": [1, 2], "v": [1, 9]})
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame)
        result = col_diff(store, "p.m.x.difference", "p.m.x.v")
    assert result.frame.loc[1].to_dict() == {"difference": 2, "v": 9, "difference_": 7.0}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("p.first.x", "p.second.x.word", "key_a='p.first.x' names all columns"),
        ("p.first.x.word", "p.second.x.*", "key_b='p.second.x.*' names all columns"),
        ("p.first.x.word", "p.first.x.word", "got 'p.first.x.word' twice; name two models"),
        ("p.first.x.word", "p.first@1.x.word", "are one column of one version; name two versions or columns"),
    ],
)
def test_keys_that_name_no_two_columns(store: Mistique, first: str, second: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        col_diff(store, first, second)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tolerance", [-1, -0.5, float("nan"), "1", True])
def test_the_tolerance_must_be_a_number_from_zero(store: Mistique, tolerance: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=r"is (out of range; give a number|not a finite number; give one) of at least 0"
    ):
        col_diff(store, "p.first.x.number", "p.second.x.number", tolerance=tolerance)


NUMBERS = st.sampled_from(["float64", "int64", "int8", "uint8", "uint64", "bool"])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two columns of one dtype that often agree."""
    dtype, rows = draw(NUMBERS), draw(st.integers(0, 20))
    first = draw(st_numpy.arrays(dtype, rows))
    changed = draw(st_numpy.arrays("bool", rows))
    return first, np.where(changed, draw(st_numpy.arrays(dtype, rows)), first)


@settings(max_examples=25, deadline=None)
@given(columns=pairs(), shift=st.integers(0, 4))
@example(columns=(np.array([-(2**63)]), np.array([2**63 - 1])), shift=0)
def test_any_numbers(store: Mistique, columns: tuple[np.ndarray, np.ndarray], shift: int) -> None:
    first, second = (pd.Series(values, name="a") for values in columns)
    first.index, second.index = pd.RangeIndex(len(first)), pd.RangeIndex(shift, len(second) + shift)
    project = uuid.uuid4().hex
    for model, column in (("m", first), ("n", second)):
        store.log_frame(project, model, "x", column.rename_axis("row_id").to_frame())
    result = col_diff(store, f"{project}.m.x.a", f"{project}.n.x.a")
    assert set(result.frame.index) == oracle(first, second)


def test_differences_are_counted_by_group(models: Mistique, predictions: pd.DataFrame) -> None:
    result = col_diff(models, "p.models.y.guess_a", "p.models.y.guess_b", group="p.models.y.town", where="flag==true")
    part = predictions[predictions["flag"]]
    differs = part["guess_a"] != part["guess_b"]
    counted = differs.groupby(part["town"].fillna("missing")).agg(["size", "sum"])
    assert [tuple(item.values()) for item in result.facts["groups"]] == list(counted.itertuples(name=None))
    assert set(result.row_id) == set(part.index[differs])


def test_equal_infinities_do_not_differ(tmp_path: Any) -> None:
    frame = pd.DataFrame({"a": [np.inf, np.inf, -np.inf, np.nan], "b": [np.inf, -np.inf, 1.0, np.nan]})
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame)
        result = col_diff(store, "p.m.x.a", "p.m.x.b", tolerance=5)
    assert result.frame["difference"].to_dict() == {1: np.inf, 2: np.inf}
