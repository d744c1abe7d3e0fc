"""Drift of two models, compared with what pandas sees in the frames themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.checkup import compare_models
from mistique_core.errors import InvalidInputError


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index([5, 3, 9, 1], name="row_id"))


@pytest.fixture
def drifted(tmp_path: Path) -> Mistique:
    """Two versions: an equal table, one with a changed column, one with other rows, one in each version only."""
    store = Mistique.open(tmp_path / "store")
    same = frame(a=[1, 2, 3, 4])
    left = frame(a=[1.0, 2, 3, 4], b=[1, 1, 1, 1], gone=[0, 0, 0, 0], word=["x", "y", "z", "z"])
    right = frame(a=[1.0, 2, 3, 8], b=[1, 1, 1, 1], new=[0, 0, 0, 0], word=["x", "y", "z", "w"])
    for model, tables in (
        ("one", {"same": same, "part": left, "rows": same, "mine": same}),
        ("two", {"same": same, "part": right, "rows": same.iloc[:2], "theirs": same}),
    ):
        with store.run("p", model) as run:
            for name, table in tables.items():
                run.log_frame(name, table)
    return store


def test_every_intermediate_is_told_as_it_is(drifted: Mistique) -> None:
    answer = compare_models(drifted, "p.one", "p.two")
    told = answer.frame.set_index("intermediate")
    assert told["verdict"].to_dict() == {
        "same": "equal",
        "part": "2 of 3 columns differ, 2 columns are in one model only",
        "rows": "other rows, 1 of 1 columns differ",
        "mine": "only in p.one@1",
        "theirs": "only in p.two@1",
    }
    assert told.loc["part", ["equal_columns", "different_columns", "other_columns"]].tolist() == [1, 2, 2]
    assert told.loc["part", ["most_different", "different_rows", "compared_rows"]].tolist() == ["a", 1, 4]
    assert told.loc["part", "mean_difference"] == pytest.approx(1.0 / np.std([1, 2, 3, 4], ddof=1))
    assert told.loc["rows", ["different_rows", "compared_rows"]].tolist() == [0, 2]
    assert answer.facts["first"] == "part"
    assert "4 of 5 intermediates differ between p.one@1 and p.two@1, from 'part'" in answer.sentence
    assert len(answer.figure().data) == 3


def test_equal_versions_are_told_equal_without_reading(drifted: Mistique) -> None:
    with drifted.run("p", "three") as run:
        run.log_frame("same", frame(a=[1, 2, 3, 4]))
    with drifted.run("p", "four") as run:
        run.log_frame("same", frame(a=[1, 2, 3, 4]))
    answer = compare_models(drifted, "p.three", "p.four")
    assert answer.sentence == "All 1 intermediates of p.three@1 and p.four@1 are equal."
    assert answer.plan.targets == ()


def test_layers_are_compared_by_their_units(tmp_path: Path) -> None:
    maps = np.arange(48, dtype=np.float32).reshape(4, 2, 2, 3)
    other = maps.copy()
    other[2, ..., 1] += 7
    with Mistique.open(tmp_path / "store") as store:
        store.log_array("p", "one", "layer", maps)
        store.log_array("p", "two", "layer", other)
        answer = compare_models(store, "p.one", "p.two")
        row = answer.frame.iloc[0]
        means = maps[..., 1].reshape(4, -1).mean(axis=1)
        assert (row["most_different"], row["different_rows"], row["compared_rows"]) == ("1", 1, 4)
        assert row["mean_difference"] == pytest.approx(7 / 4 / np.std(means, ddof=1))


def test_one_version_is_not_compared_with_itself(drifted: Mistique) -> None:
    with pytest.raises(InvalidInputError, match=r"both p\.one@1"):
        compare_models(drifted, "p.one", "p.one@1")
