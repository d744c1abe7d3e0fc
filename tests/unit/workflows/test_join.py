"""A join gives what pandas gives, and a few rows of it come out as all of them do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.model import Need
from mistique_core.workflows.join import JoinStage


def index(ids: list[int]) -> pd.Index:
    return pd.Index(np.array(ids, dtype="i8"), name="row_id")


@st.composite
def sides(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    ids = st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=10)
    left, right = draw(ids), draw(ids)
    keys = draw(st.permutations(range(13)))[: len(right)]
    a = pd.DataFrame(
        {
            "a": np.arange(len(left)) * 1.5,
            "key": draw(st.lists(st.integers(0, 12), min_size=len(left), max_size=len(left))),
        },
        index=index(left),
    )
    b = pd.DataFrame(
        {
            "key": keys,
            "whole": np.arange(len(right), dtype="i8") + 2**40,
            "flag": np.arange(len(right)) % 2 == 0,
            "text": pd.Series([f"t{number}" for number in right], dtype="str").to_numpy(),
            "small": np.arange(len(right), dtype="f4"),
            "kind": pd.Categorical([f"k{number % 3}" for number in right]),
            "day": pd.date_range("2020-01-01", periods=len(right)).to_numpy(),
        },
        index=index(right),
    )
    b["text"] = b["text"].astype("str")
    return a, b


def expected(left: pd.DataFrame, right: pd.DataFrame, on: str | None, how: str) -> pd.DataFrame:
    if on is None:
        return left.join(right.drop(columns="key"), how=how).loc[
            [i for i in left.index if how == "left" or i in right.index]
        ]
    made = left.reset_index().merge(right, on=on, how=how).set_index("row_id")
    return made.loc[[item for item in left.index if item in made.index]]


@settings(deadline=None)
@given(sides(), st.sampled_from([None, "key"]), st.sampled_from(["left", "inner"]), st.data())
def test_it_is_pandas_and_a_few_rows_are_those_of_all(
    pair: tuple[pd.DataFrame, pd.DataFrame], on: str | None, how: str, data: st.DataObject
) -> None:
    left, right = pair
    given_right = right if on else right.drop(columns="key")
    stage = JoinStage(on=on, how=how)
    result = stage.execute({"left": left, "right": given_right})
    whole = pd.DataFrame(result.frames[""])
    pd.testing.assert_frame_equal(whole, expected(left, right, on, how), check_exact=True)
    rebuilt = JoinStage.from_params(stage.params())
    ids = data.draw(st.lists(st.sampled_from(left.index.tolist()), unique=True, min_size=1))
    needs = rebuilt.needs("", ["left", "right"])
    partner = given_right[given_right.index.isin(ids)] if needs["right"] is Need.ROWS else given_right
    rows = pd.DataFrame(rebuilt.execute_rows("", {"left": left.loc[ids], "right": partner}, result.fitted))
    wanted = [item for item in ids if item in whole.index]
    pd.testing.assert_frame_equal(rows.loc[wanted], whole.loc[wanted], check_exact=True)


def test_untouched_columns_of_the_left_side_are_the_same_memory() -> None:
    left = pd.DataFrame({"a": np.arange(3.0)}, index=index([5, 6, 7]))
    right = pd.DataFrame({"b": [1, 2]}, index=index([7, 5]))
    made = JoinStage().execute({"left": left, "right": right}).frames[""]
    assert np.shares_memory(made["a"].to_numpy(), left["a"].to_numpy())


@pytest.mark.parametrize(
    ("options", "right", "message"),
    [
        ({"how": "outer"}, {}, "pass 'left' or 'inner'"),
        ({"on": "key"}, {"key": [1, 1], "b": [1, 2]}, "key 1 occurs more than once"),
        ({"on": "kay"}, {"key": [1, 2], "b": [1, 2]}, "both sides of the join have a column 'key'"),
        ({"on": "kay", "suffix": "_r"}, {"key": [1, 2], "b": [1, 2]}, "did you mean 'key'"),
        ({}, {"a": [1, 2]}, "both sides of the join have a column 'a'"),
        ({"columns": ["c"]}, {"b": [1, 2]}, "joined column 'c' does not exist"),
    ],
)
def test_what_cannot_be_joined_is_named(options: dict[str, Any], right: dict[str, Any], message: str) -> None:
    left = pd.DataFrame({"a": [1.0, 2.0], "key": [1, 2]}, index=index([1, 2]))
    with pytest.raises(InvalidInputError, match=message):
        JoinStage(**options).execute({"left": left, "right": pd.DataFrame(right, index=index([1, 2]))})


def test_a_suffix_tells_columns_apart() -> None:
    left = pd.DataFrame({"a": [1.0, 2.0]}, index=index([1, 2]))
    right = pd.DataFrame({"a": [3.0, 4.0], "b": [5, 6]}, index=index([2, 1]))
    made = pd.DataFrame(JoinStage(suffix="_r").execute({"left": left, "right": right}).frames[""])
    assert made.to_dict("list") == {"a": [1.0, 2.0], "a_r": [4.0, 3.0], "b": [6, 5]}


def test_a_suffix_that_clashes_is_refused() -> None:
    left = pd.DataFrame({"key": [1], "x": [1.0]}, index=index([1]))
    right = pd.DataFrame({"key": [1], "x": [2.0], "x_r": [3.0]}, index=index([1]))
    with pytest.raises(InvalidInputError, match="'x_r' twice"):
        JoinStage(on="key", suffix="_r").execute({"left": left, "right": right})


def test_missing_keys_have_no_partner() -> None:
    left = pd.DataFrame({"key": [1.0, np.nan]}, index=index([1, 2]))
    right = pd.DataFrame({"key": [np.nan, 1.0], "b": [5.0, 6.0]}, index=index([1, 2]))
    made = JoinStage(on="key").execute({"left": left, "right": right}).frames[""]
    np.testing.assert_array_equal(made["b"].to_numpy(), [6.0, np.nan])
