"""A question as a form fills it in: defaults, checks before anything is read, and one line of error."""

from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import TECHNIQUES, check_request, col_diff, confusion_matrix, diagnose, pointq, topk
from mistique_core.errors import InvalidInputError, MistiqueError

KEY = "p.first.x.whole"
TWO = {"key_a": "p.first.x.number", "key_b": "p.second.x.number"}


def ask(store: Mistique, **fields: Any) -> Any:
    technique, parameters = check_request(fields)
    return diagnose(store, technique.name, parameters)


@pytest.mark.parametrize("empty", [None, [], ""])
def test_what_nobody_filled_in_has_its_default(store: Mistique, empty: Any) -> None:
    names = [item.name for item in TECHNIQUES["topk"].parameters if not item.required]
    answer = diagnose(store, "topk", {"key": KEY, **dict.fromkeys(names, empty)})
    pd.testing.assert_frame_equal(answer.frame, topk(store, KEY).frame)


def test_parameters_of_other_techniques_may_be_empty(store: Mistique) -> None:
    every = {item.name: None for technique in TECHNIQUES.values() for item in technique.parameters}
    answer = ask(store, **{**every, "technique": "topk", "key": KEY})
    pd.testing.assert_frame_equal(answer.frame, topk(store, KEY).frame)


def test_each_technique_is_the_function_of_its_name(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    row = int(frames["first"].index[0])
    asked = {
        "pointq": (ask(store, technique="pointq", keys=[KEY], row_id=[row]), pointq(store, KEY, row)),
        "topk": (ask(store, technique="topk", key=KEY, k=3, largest=False), topk(store, KEY, 3, largest=False)),
        "col_diff": (
            ask(store, technique="col_diff", tolerance=1.5, **TWO),
            col_diff(store, TWO["key_a"], TWO["key_b"], tolerance=1.5),
        ),
        "confusion_matrix": (
            ask(store, technique="confusion_matrix", truth=KEY, prediction="p.first.x.small"),
            confusion_matrix(store, KEY, "p.first.x.small"),
        ),
    }
    for name, (answer, expected) in asked.items():
        assert answer.technique == name
        assert answer.sentence == expected.sentence
        pd.testing.assert_frame_equal(answer.frame, expected.frame)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"technique": "top"}, "technique 'top' is unknown; did you mean 'topk'"),
    ({"technique": "zzz"}, "technique 'zzz' is unknown; known: col_diff, col_dist, confusion_matrix, "),
    ({"technique": 3}, "technique=3 is not a name; give one of pointq, topk"),
    ({"technique": None}, "technique=None is not a name"),
    ({"technique": "topk"}, "topk needs 'key'; fill it in: Key of the column or unit to rank by."),
    ({"technique": "topk", "key": ""}, "topk needs 'key'; fill it in"),
    ({"technique": "pointq", "keys": [], "row_id": [1]}, "pointq needs 'keys'; fill it in"),
    ({"technique": "topk", "key": KEY, "larges": True}, "topk has no parameter 'larges'; did you mean 'largest'"),
    ({"technique": "topk", "key": KEY, "truth": KEY}, "topk has no parameter 'truth'"),
    ({"technique": "topk", "key": 3}, "key=3 is not a key; write project.model.intermediate.column in quotes"),
    ({"technique": "topk", "key": "p.first"}, "topk: key: key 'p.first' is incomplete; write project.model"),
    ({"technique": "topk", "key": "p.first.x"}, "key='p.first.x' names all columns, where one is needed"),
    ({"technique": "topk", "key": "p.first@x.x.whole"}, "version 'x'"),
    ({"technique": "topk", "key": KEY, "k": 0}, "topk: k=0 is out of range; give an integer of at least 1"),
    ({"technique": "topk", "key": KEY, "k": 2.5}, "topk: k=2.5 is not an integer; give one of at least 1"),
    ({"technique": "topk", "key": KEY, "k": True}, "k=True is not an integer"),
    ({"technique": "topk", "key": KEY, "k": "3"}, "k='3' is not an integer"),
    ({"technique": "topk", "key": KEY, "largest": "no"}, "largest='no' is not a truth value; give true or false"),
    ({"technique": "topk", "key": KEY, "by": "maximum"}, "by='maximum' is unknown; use one of max, mean, norm"),
    ({"technique": "topk", "key": KEY, "by": 3}, "by=3 is unknown"),
    ({"technique": "topk", "key": KEY, "columns": [KEY, 3]}, "columns=3 is not a key"),
    ({"technique": "topk", "key": KEY, "columns": 3}, "columns=3 is not a list of keys; write one item a line"),
    ({"technique": "topk", "key": KEY, "where": "whole"}, "where 'whole' has no comparison; write COLUMN>=VALUE"),
    ({"technique": "topk", "key": KEY, "where": ">3"}, "where '>3' names no column"),
    ({"technique": "topk", "key": KEY, "where": [["whole", "=", 3]]}, "where has the unknown operator '='"),
    ({"technique": "topk", "key": KEY, "where": [["whole"]]}, "where=['whole'] is no predicate"),
    ({"technique": "topk", "key": KEY, "where": 3}, "where=3 is no list of predicates"),
    ({"technique": "topk", "key": KEY, "where": "whle>1"}, "'whle', which the query has not; did you mean 'whole'"),
    ({"technique": "topk", "key": KEY, "where": "p.first.x.whle>1"}, "no column 'whle'; did you mean 'whole'"),
    ({"technique": "topk", "key": KEY, "strategy": "fast"}, "strategy='fast' is unknown; use one of auto, read, rerun"),
    ({"technique": "pointq", "keys": [KEY]}, "pointq needs 'row_id'; fill it in"),
    ({"technique": "pointq", "keys": [KEY], "row_id": ["3"]}, "row_id='3' is not a row_id; give an integer"),
    ({"technique": "pointq", "keys": [KEY], "row_id": "3"}, "row_id='3' is not a list of row ids; write [3, 17]"),
    ({"technique": "pointq", "keys": [KEY], "row_id": [True]}, "row_id=True is not a row_id"),
    ({"technique": "pointq", "keys": [KEY], "row_id": [1.0]}, "row_id=1.0 is not a row_id"),
    ({"technique": "pointq", "keys": [KEY], "row_id": [10**6]}, "row_id 1000000 is not in the intermediate"),
    ({"technique": "col_diff", **TWO, "key_b": TWO["key_a"]}, "col_diff got 'p.first.x.number' twice"),
    ({"technique": "col_diff", **TWO, "tolerance": -1}, "tolerance=-1 is out of range; give a number of at least 0"),
    (
        {"technique": "col_diff", **TWO, "tolerance": "x"},
        "tolerance='x' is not a finite number; give one of at least 0",
    ),
    ({"technique": "col_diff", **TWO, "tolerance": float("nan")}, "tolerance=nan is not a finite number"),
    ({"technique": "topk", "key": "p.frist.x.whole"}, "no model 'frist'; did you mean 'first'"),
    ({"technique": "topk", "key": "p.first@7.x.whole"}, "7"),
    ({"technique": "topk", "key": "q.first.x.whole"}, "'q'"),
    ({"technique": "topk", "key": "p.first.y.whole"}, "'y'"),
    ({"technique": "topk", "key": "p.first.x.whale"}, "no column 'whale'; did you mean 'whole'"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_input_is_refused_in_one_line(store: Mistique, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(MistiqueError) as caught:
        ask(store, **fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_read_before_the_request_is_checked() -> None:
    with pytest.raises(InvalidInputError, match="needs 'key_b'"):
        diagnose(None, "col_diff", {"key_a": KEY})  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="topk: k=0 is out of range"):
        topk(None, KEY, 0)  # type: ignore[arg-type]
