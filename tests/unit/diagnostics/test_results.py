"""Answers as strict JSON and as Markdown, whatever the cells hold."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import DiagnosticResult, confusion_matrix, pointq, topk
from mistique_core.diagnostics.result import as_json
from mistique_core.planner import QueryPlan

PLAN = QueryPlan(())


def result(frame: pd.DataFrame) -> DiagnosticResult:
    return DiagnosticResult("pointq", frame, "It is so.", PLAN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (np.nan, None),
        (np.float32("nan"), None),
        (np.inf, "inf"),
        (np.float32("-inf"), "-inf"),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (2**63, 2**63),
        (np.bool_(True), True),
        (False, False),
        ("a", "a"),
        (pd.Timestamp("2026-01-02 03:04"), "2026-01-02 03:04:00"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        (pd.Timedelta("1D"), "1 days 00:00:00"),
    ],
)
def test_a_cell_as_json(value: Any, expected: Any) -> None:
    assert as_json(value) == expected
    assert type(as_json(value)) is type(expected)


def test_every_kind_of_column_is_strict_json(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    frame = frames["first"]
    answer = pointq(store, "p.first.x", frame.index.to_numpy()).to_json()
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert answer["columns"] == ["row_id", *frame.columns]
    assert (answer["row_count"], answer["truncated"]) == (len(frame), False)
    for row, shown in zip(frame.reset_index().itertuples(index=False, name=None), answer["rows"], strict=True):
        assert [value is None for value in shown] == [bool(pd.isna(value)) for value in row]


def test_the_other_techniques_are_strict_json(store: Mistique) -> None:
    matrix = confusion_matrix(store, "p.first.x.day", "p.second.x.day").to_json()
    assert json.loads(json.dumps(matrix, allow_nan=False)) == matrix
    assert matrix["columns"][0] == "truth"
    empty = topk(store, "p.none.x.number").to_json()
    assert json.loads(json.dumps(empty, allow_nan=False)) == empty
    assert (empty["rows"], empty["row_count"]) == ([], 0)


def test_long_answers_are_cut_and_say_so() -> None:
    long = result(pd.DataFrame({"a": range(25)}))
    answer = long.to_json(10)
    assert (len(answer["rows"]), answer["row_count"], answer["truncated"]) == (10, 25, True)
    assert "20 of 25 rows are shown." in long.to_markdown()
    assert "rows are shown" not in long.to_markdown(25)


def test_markdown_escapes_what_would_end_a_cell() -> None:
    frame = pd.DataFrame({"a|b": ["x|y", "back\\slash", "two\nlines", "carriage\rreturn", None]})
    lines = result(frame.rename_axis("row_id")).to_markdown().splitlines()
    assert lines[0] == "**pointq**: It is so."
    assert lines[2] == "| row_id | a\\|b |"
    assert lines[3] == "| --- | --- |"
    assert lines[4:9] == [
        "| 0 | x\\|y |",
        "| 1 | back\\\\slash |",
        "| 2 | two lines |",
        "| 3 | carriage return |",
        "| 4 |  |",
    ]
