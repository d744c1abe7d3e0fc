"""Frames are those that pandas builds, and share nothing that can be changed."""

import numpy as np
import pandas as pd
import pytest

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
]


@pytest.mark.parametrize("columns", COLUMNS, ids=lambda columns: "-".join(columns) or "none")
@pytest.mark.parametrize("among", [(), ("z", "a", "flag", "when", "text", "kind", "n")])
def test_as_pandas_builds_them(columns: dict[str, object], among: tuple[str, ...]) -> None:
    """The first time, and again from names that are known."""
    builder = FrameBuilder()
    names = None if columns else pd.Index([], dtype="str")
    for _ in range(2):
        made = builder.build(columns, INDEX, among)
        expected = pd.DataFrame(columns, index=INDEX, columns=names)
        pd.testing.assert_frame_equal(made, expected, check_column_type=True)
        assert made.columns.dtype == expected.columns.dtype
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


def test_arrays_are_taken_over() -> None:
    values = np.arange(4.0)
    made = FrameBuilder().build({"a": values}, INDEX)
    assert np.shares_memory(made["a"].to_numpy(), values)
    made.loc[2, "a"] = 7.0
    assert made["a"].tolist() == [0.0, 1.0, 7.0, 3.0]
