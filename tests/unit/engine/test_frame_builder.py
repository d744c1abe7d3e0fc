"""Frames are those that pandas builds, and share nothing that can be changed."""

import numpy as np
import pandas as pd
import pytest

from mistique_core.engine import frame_builder
from mistique_core.engine.frame_builder import FrameBuilder

INDEX = pd.Index(np.arange(4, dtype=np.int64), name="row_id")
COLUMNS = [
    {"a": np.arange(4.0)},
    {"flag": np.array([True, False, True, True])},
    {"when": np.array(["2020-01-01"] * 4, "datetime64[s]")},
    {"text": pd.Series(["x", None, "y", "z"], index=INDEX, dtype=object)},
    {"kind": pd.Categorical(list("abab"))},
    {"n": pd.array([1, None, 3, 4], "Int64")},
    {"half": np.arange(4, dtype=np.float16), "b": np.arange(4), "a": pd.array(["p", "q", None, "r"], "string")},
    {},
    {"a": np.arange(4.0), "b": np.arange(4), "c": np.arange(4.0) * 2, "d": np.array([True] * 4), "e": np.arange(4) * 3},
    {"a": np.array(["x", None, np.nan, "z"], object), "b": np.arange(4.0), "c": np.array(["u", "v", "", "w"], object)},
    {"a": np.arange(4, dtype=">f8"), "b": np.arange(4, dtype=">f8") + 1, "c": np.arange(4) * 1j},
    {
        "a": np.array(["2020-01-01"] * 4, "datetime64[ms]"),
        "b": np.array([1, 2, "NaT", 3], "timedelta64[ns]"),
        "c": np.array(["2021-01-01"] * 4, "datetime64[ms]"),
        "d": pd.array(pd.date_range("2020", periods=4, tz="Europe/Berlin")),
        "e": pd.Categorical(list("abab")),
        "f": pd.array(["p", "q", None, "r"], "str"),
        "g": pd.array([1, None, 3, 4], "Int64"),
        "h": pd.array(["p", "q", None, "r"], "string"),
    },
]


@pytest.mark.parametrize("columns", COLUMNS, ids=lambda columns: "-".join(columns) or "none")
@pytest.mark.parametrize("among", [(), ("z", "a", "flag", "when", "text", "kind", "n")])
@pytest.mark.parametrize("way", ["blocks", "each", "dictionary"])
def test_as_pandas_builds_them(
    monkeypatch: pytest.MonkeyPatch, columns: dict[str, object], among: tuple[str, ...], way: str
) -> None:
    """The first time, and again from names that are known; short and long columns, and with earlier pandas."""
    if way == "dictionary":
        monkeypatch.setattr(frame_builder, "from_blocks", None)
    elif way == "each":
        monkeypatch.setattr(frame_builder, "_JOINED_ROWS", 3)
    builder = FrameBuilder()
    names = None if columns else pd.Index([], dtype="str")
    for _ in range(2):
        made = builder.build(columns, INDEX, among)
        objects = {name: pd.Series(item, INDEX, object) for name, item in columns.items() if item.dtype == object}
        expected = pd.DataFrame(columns | objects, index=INDEX, columns=names)
        pd.testing.assert_frame_equal(made, expected, check_column_type=True)
        assert made.columns.dtype == expected.columns.dtype
        assert list(made.dtypes) == list(expected.dtypes)
        assert made.equals(expected)
        for name in columns:
            pd.testing.assert_series_equal(made[name], expected[name])


def test_frames_share_no_names_that_can_be_changed() -> None:
    builder = FrameBuilder()
    for columns in ({"a": np.arange(4.0)}, {"a": np.arange(4), "b": np.arange(4.0)}):
        first, second = builder.build(columns, INDEX), builder.build(columns, INDEX)
        first.columns.name = "mine"
        first = first.rename(columns={"a": "other"})
        assert second.columns.name is None
        assert builder.build(columns, INDEX).columns.name is None
        assert "a" in builder.build(columns, INDEX)


def test_what_is_written_into_a_column_shows_in_no_other() -> None:
    made = FrameBuilder().build({"a": np.arange(4.0), "b": np.arange(4.0), "c": np.arange(4)}, INDEX)
    made.loc[1, "a"] = 9.0
    made["d"] = made["b"] + 1
    assert made.to_dict("list") == {"a": [0, 9, 2, 3], "b": [0, 1, 2, 3], "c": [0, 1, 2, 3], "d": [1, 2, 3, 4]}


def test_arrays_are_taken_over() -> None:
    values = np.arange(4.0)
    made = FrameBuilder().build({"a": values}, INDEX)
    assert np.shares_memory(made["a"].to_numpy(), values)
    made.loc[2, "a"] = 7.0
    assert made["a"].tolist() == [0.0, 1.0, 7.0, 3.0]
