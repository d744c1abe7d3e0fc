"""A lazy frame does what pandas does, and reads only what it must."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.frames import LazyFrame

INDEX = pd.Index([11, 5, 7, 2], name="row_id")


class Recorded:
    """Columns of a plain frame, which notes what is read."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.was_read: list[str] = []

    @property
    def rows(self) -> int:
        return len(self.frame)

    def index(self) -> pd.Index[Any]:
        return self.frame.index

    def dtype(self, handle: str) -> Any:
        dtype = self.frame[handle].dtype
        return None if isinstance(dtype, pd.CategoricalDtype) else dtype

    def read(self, handles: Sequence[str]) -> list[pd.Series[Any]]:
        self.was_read += handles
        return [self.frame[handle].copy() for handle in handles]


def plain() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "a": [1.5, np.nan, 3.0, -2.0],
            "b": [1, 2, 3, 4],
            "c": np.array(["x", None, "y", "x"], dtype=object),
            "d": pd.Categorical(["u", "v", "u", None]),
            "e": [True, False, True, True],
        },
        index=INDEX,
    )


def lazy() -> tuple[LazyFrame, Recorded]:
    source = Recorded(plain())
    return LazyFrame.over(source, {name: name for name in source.frame.columns}), source


def test_names_and_sizes_read_nothing() -> None:
    frame, source = lazy()
    expected = plain()
    assert list(frame.columns) == list(expected.columns)
    assert list(frame) == list(expected)
    assert frame.index is source.frame.index
    assert (frame.shape, len(frame), frame.size, frame.empty, frame.ndim) == ((4, 5), 4, 20, False, 2)
    assert "a" in frame
    assert "z" not in frame
    assert [list(axis) for axis in frame.axes] == [list(axis) for axis in expected.axes]
    assert isinstance(frame, pd.DataFrame)
    assert source.was_read == []


def test_dtypes_read_only_what_only_values_can_tell() -> None:
    frame, source = lazy()
    pd.testing.assert_series_equal(frame.dtypes, plain().dtypes)
    assert source.was_read == ["d"]


def test_a_column_is_read_once_and_alone() -> None:
    frame, source = lazy()
    pd.testing.assert_series_equal(frame["a"], plain()["a"])
    pd.testing.assert_series_equal(frame.a, plain().a)
    assert source.was_read == ["a"]
    untouched = frame.untouched()
    assert untouched is not None
    assert list(untouched[1]) == ["b", "c", "d", "e"]


def test_writing_into_a_column_that_was_taken_out_changes_nothing_else() -> None:
    frame, _ = lazy()
    taken = frame["a"]
    taken.iloc[0] = 99.0
    pd.testing.assert_frame_equal(pd.DataFrame(frame), plain())


def test_what_is_chosen_dropped_and_renamed_is_not_read() -> None:
    frame, source = lazy()
    made = frame[["e", "b", "a"]].drop(columns="b").rename(columns={"a": "z"})
    assert isinstance(made, LazyFrame)
    assert source.was_read == []
    pd.testing.assert_frame_equal(pd.DataFrame(made), plain()[["e", "a"]].rename(columns={"a": "z"}))
    assert sorted(source.was_read) == ["a", "e"]


def test_parts_do_not_share_changes() -> None:
    frame, _ = lazy()
    part = frame[["a", "b"]]
    part["a"] = 0.0
    other = frame.copy()
    other["b"] = 9
    del other["c"]
    pd.testing.assert_frame_equal(pd.DataFrame(frame), plain())
    pd.testing.assert_frame_equal(pd.DataFrame(part), plain()[["a", "b"]].assign(a=0.0))
    pd.testing.assert_frame_equal(pd.DataFrame(other), plain().assign(b=9).drop(columns="c"))


def test_values_are_aligned_by_row_id_as_pandas_does() -> None:
    frame, source = lazy()
    expected = plain()
    values = pd.Series([1.0, 2.0, 3.0], index=[2, 5, 11])
    frame["n"] = values
    expected["n"] = values
    assert source.was_read == []
    pd.testing.assert_frame_equal(pd.DataFrame(frame), expected)
    with pytest.raises(ValueError, match="Length of values"):
        lazy()[0]["n"] = [1, 2]


def test_errors_are_those_of_pandas() -> None:
    for wrong in (
        lambda frame: frame["z"],
        lambda frame: frame[["a", "z"]],
        lambda frame: frame.drop(columns=["z"]),
        lambda frame: frame.rename(columns={"z": "y"}, errors="raise"),
        lambda frame: frame.pop("z"),
    ):
        with pytest.raises(KeyError) as expected:
            wrong(plain())
        with pytest.raises(KeyError) as got:
            wrong(lazy()[0])
        assert str(got.value) == str(expected.value)


WHOLE: dict[str, Callable[[pd.DataFrame], Any]] = {
    "rows": lambda frame: frame[frame["b"] > 1],
    "loc": lambda frame: frame.loc[[5, 2], ["a", "d"]],
    "iloc": lambda frame: frame.iloc[1:3],
    "isna": lambda frame: frame.isna(),
    "concat": lambda frame: pd.concat([frame, frame.add_suffix("_2")], axis=1),
    "merge": lambda frame: frame.merge(frame[["b", "e"]], on="b"),
    "groupby": lambda frame: frame.groupby("e")["a"].sum(),
    "query": lambda frame: frame.query("b > 2"),
    "sum": lambda frame: frame[["a", "b"]].sum(axis=1),
    "describe": lambda frame: frame.describe(),
    "sort": lambda frame: frame.sort_values("b", ascending=False),
    "fillna": lambda frame: frame.fillna({"a": 0.0}),
    "transpose": lambda frame: frame.T,
    "repr": repr,
    "numpy": lambda frame: frame[["a", "b"]].to_numpy(),
    "pickle": lambda frame: pd.DataFrame(pickle.loads(pickle.dumps(frame))),
    "deepcopy": lambda frame: pd.DataFrame(copy.deepcopy(frame)),
    "select_dtypes": lambda frame: frame.select_dtypes("number"),
    "items": lambda frame: {name: list(map(str, values)) for name, values in frame.items()},
    "duplicate names": lambda frame: frame[["a", "a"]],
    "rename to duplicates": lambda frame: frame.rename(columns={"a": "b"}),
    "drop rows": lambda frame: frame.drop(index=[5]),
    "drop labels of rows": lambda frame: frame.drop([5]),
    "drop by axis": lambda frame: pd.DataFrame(frame.drop(["a", "b"], axis=1)),
    "rename rows": lambda frame: frame.rename({5: 6}),
    "astype": lambda frame: frame.astype({"b": "float32"}),
    "assign": lambda frame: pd.DataFrame(frame.assign(s=lambda own: own["a"] + own["b"], a=1)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_everything_else_is_pandas(name: str) -> None:
    expected, got = WHOLE[name](plain()), WHOLE[name](lazy()[0])
    assert isinstance(got, type(expected))
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(pd.DataFrame(got), expected)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(got, expected)
    else:
        np.testing.assert_equal(got, expected)


def test_changes_in_place_are_pandas() -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[5, "a"] = 4.0
        frame.insert(0, "first", 1)
        frame[["b", "e"]] = 0
        frame.columns = frame.columns.str.upper()
        frame.index = frame.index.rename("other")
        return pd.DataFrame(frame)

    pd.testing.assert_frame_equal(change(lazy()[0]), change(plain()))


def test_new_labels_read_nothing() -> None:
    frame, source = lazy()
    frame.columns = [f"{name}_1" for name in frame.columns]
    assert source.was_read == []
    pd.testing.assert_frame_equal(pd.DataFrame(frame), plain().add_suffix("_1"))


def test_libraries_that_know_frames_by_name_take_it_for_one() -> None:
    frame, _ = lazy()
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBRegressor(n_estimators=1).fit(frame[["a", "e"]], frame["b"])
    assert model.feature_names_in_.tolist() == ["a", "e"]
    assert type(pickle.loads(pickle.dumps(frame))) is pd.DataFrame


STEPS: dict[str, Callable[[pd.DataFrame, str, str], pd.DataFrame | None]] = {
    "take": lambda frame, one, _two: frame[[name for name in frame.columns if name != one]],
    "drop": lambda frame, one, _two: frame.drop(columns=[one], errors="ignore"),
    "rename": lambda frame, one, two: frame.rename(columns={one: two + "r"}),
    "set": lambda frame, one, two: frame.assign(**{two: frame.get(one, 1)}),
    "in place": lambda frame, one, two: frame.__setitem__(two, frame.get(one, 2)),
    "delete": lambda frame, one, _two: frame.pop(one) if one in frame else None,
    "look": lambda frame, one, _two: frame.get(one),
    "look at all": lambda frame, _one, _two: frame.isna().sum().sum() and None,
    "copy": lambda frame, _one, _two: frame.copy(),
    "rows": lambda frame, _one, _two: frame.iloc[::2] if len(frame) > 2 else frame,
}
names = st.sampled_from(["a", "b", "c", "d", "e", "f", "ar"])


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), names, names), max_size=12))
def test_any_steps_give_what_pandas_gives(steps: list[tuple[str, str, str]]) -> None:
    expected, got = plain(), lazy()[0]
    for step, one, two in steps:
        results = []
        for frame in (expected, got):
            made = STEPS[step](frame, one, two)
            results.append(made if isinstance(made, pd.DataFrame) and step not in ("delete", "look") else frame)
        expected, got = results
        if not expected.columns.is_unique:
            return
    pd.testing.assert_frame_equal(pd.DataFrame(got), expected)
