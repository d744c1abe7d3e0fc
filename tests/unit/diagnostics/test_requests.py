"""A question as a form fills it in: defaults, checks before anything is read, and one line of error."""

from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import TECHNIQUES, DiagnosticRequest, col_diff, confusion_matrix, diagnose, pointq, topk
from mistique_core.errors import InvalidInputError, MistiqueError

BASE = {"technique": "topk", "project": "p", "models": ["first"], "intermediate": "x", "columns": ["whole"]}


def ask(store: Mistique, **fields: Any) -> Any:
    return diagnose(store, DiagnosticRequest.from_json({**BASE, **fields}))


def test_none_means_the_default() -> None:
    optional = ("columns", "rows", "k", "largest", "tolerance", "strategy")
    request = DiagnosticRequest.from_json({**BASE, **dict.fromkeys(optional)})
    assert request == DiagnosticRequest("topk", "p", ["first"], "x")


def test_each_technique_is_the_function_of_its_name(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    row = int(frames["first"].index[0])
    two = {"models": ["first", "second"], "columns": ["number"]}
    asked = {
        "pointq": (ask(store, technique="pointq", rows=[row]), pointq(store, "p.first.x.whole", row)),
        "topk": (ask(store, k=3, largest=False), topk(store, "p.first.x.whole", 3, largest=False)),
        "col_diff": (
            ask(store, technique="col_diff", tolerance=1.5, **two),
            col_diff(store, "p.first.x.number", "p.second.x.number", tolerance=1.5),
        ),
        "confusion_matrix": (
            ask(store, technique="confusion_matrix", columns=["whole", "small"]),
            confusion_matrix(store, "p.first.x.whole", "p.first.x.small"),
        ),
    }
    assert set(asked) == set(TECHNIQUES)
    for name, (answer, expected) in asked.items():
        assert answer.technique == name
        assert answer.sentence == expected.sentence
        pd.testing.assert_frame_equal(answer.frame, expected.frame)


def test_pointq_without_columns_gives_all(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    row = int(frames["first"].index[0])
    answer = ask(store, technique="pointq", columns=[], rows=[row], models=["first@1"])
    pd.testing.assert_frame_equal(answer.frame, frames["first"].loc[[row]])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"technique": "top"}, "technique 'top' is unknown; did you mean 'topk'"),
    ({"technique": "zzz"}, "technique 'zzz' is unknown; known: col_diff, confusion_matrix, pointq, topk"),
    ({"technique": 3}, "technique=3 is not a string"),
    ({"technique": None}, "needs 'technique'; fill it in"),
    ({"project": ""}, "needs 'project'; fill it in"),
    ({"models": []}, "needs 'models'; fill it in"),
    ({"intermediate": None}, "needs 'intermediate'; fill it in"),
    ({"columms": ["a"]}, "has no field 'columms'; did you mean 'columns'"),
    ({"models": "first"}, "models='first' is not a list; write one item a line"),
    ({"columns": "whole"}, "columns='whole' is not a list"),
    ({"rows": 3}, "rows=3 is not a list"),
    ({"rows": ["3"], "technique": "pointq"}, "row '3' is not a row_id; give integers"),
    ({"rows": [True], "technique": "pointq"}, "row True is not a row_id"),
    ({"rows": [1.0], "technique": "pointq"}, "row 1.0 is not a row_id"),
    ({"columns": [3]}, "3 in columns is not a string"),
    ({"models": [3]}, "3 in models is not a string"),
    ({"largest": "no"}, "largest='no' is not a truth value"),
    ({"strategy": 1}, "strategy=1 is not a string"),
    ({"strategy": "fast"}, "strategy 'fast' is unknown; use one of auto, read, rerun"),
    ({"models": ["first", "second"]}, "topk needs 1 models but got 2 (first, second)"),
    ({"columns": []}, "topk needs 1 columns but got 0 (none)"),
    ({"columns": ["*"]}, "topk ranks one column"),
    ({"rows": [1]}, "topk needs 0 rows but got 1 (1)"),
    ({"k": 0}, "k=0 is not a number of examples"),
    ({"technique": "pointq"}, "pointq needs at least 1 rows but got 0 (none)"),
    ({"technique": "pointq", "models": ["first"] * 3, "rows": [1]}, "pointq needs 1 to 2 models but got 3"),
    ({"technique": "col_diff"}, "col_diff needs 2 models but got 1 (first); name two models and the one column"),
    ({"technique": "col_diff", "models": ["first", "first"]}, "got 'p.first.x.whole' twice"),
    ({"technique": "col_diff", "models": ["first", "second"], "tolerance": -1}, "tolerance=-1 is negative"),
    ({"technique": "col_diff", "models": ["first", "second"], "tolerance": "x"}, "tolerance='x' is negative or no n"),
    ({"technique": "confusion_matrix"}, "confusion_matrix needs 2 columns but got 1 (whole)"),
    ({"models": ["frist"]}, "no model 'frist'; did you mean 'first'"),
    ({"models": ["first@7"]}, "7"),
    ({"models": ["first@x"]}, "version 'x'"),
    ({"project": "q"}, "'q'"),
    ({"project": "p.first", "models": ["x"], "intermediate": "whole"}, "project 'p.first' contains '.'"),
    ({"models": ["first.x"]}, "model 'first.x' contains '.'"),
    ({"intermediate": "x.whole"}, "intermediate 'x.whole' contains '.'"),
    ({"intermediate": "y"}, "'y'"),
    ({"columns": ["whale"]}, "no column 'whale'; did you mean 'whole'"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_input_is_refused_in_one_line(store: Mistique, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(MistiqueError) as caught:
        ask(store, **fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_read_before_the_request_is_checked() -> None:
    with pytest.raises(InvalidInputError, match="needs 2 models"):
        diagnose(None, DiagnosticRequest.from_json({**BASE, "technique": "col_diff"}))  # type: ignore[arg-type]
