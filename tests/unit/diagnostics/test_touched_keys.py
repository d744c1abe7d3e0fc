"""What a question touches: every key that it names, wherever it names it."""

from __future__ import annotations

import pytest

from mistique_core.diagnostics.touched_keys import touched_keys, touched_rows
from mistique_core.errors import InvalidInputError


def test_keys_of_parameters_and_of_predicates_come_once() -> None:
    request = {
        "truth": "p.m.answer.y",
        "predictions": ["p.m.out.a", "p.n.out.a"],
        "group": "p.m.answer.y",
        "where": ["p.m@2.features.rooms>=4", "a<1"],
    }
    keys = [str(key) for key in touched_keys("group_metrics", request)]
    assert sorted(keys) == ["p.m.answer.y", "p.m.out.a", "p.m@2.features.rooms", "p.n.out.a"]
    assert len(keys) == 4


def test_rows_restrict_what_is_read_only_where_the_technique_takes_a_list_of_them() -> None:
    rows = touched_rows("pointq", {"keys": ["p.m.x"], "row_id": [7, 3]})
    assert rows is not None
    assert rows.tolist() == [7, 3]
    assert touched_rows("knn", {"keys": ["p.m.x"], "row_id": 7}) is None
    assert touched_rows("col_dist", {"key": "p.m.x.y"}) is None


def test_a_wrong_parameter_is_named() -> None:
    with pytest.raises(InvalidInputError, match="group_metrics needs 'truth'"):
        touched_keys("group_metrics", {"predictions": ["p.m.out.a"]})
