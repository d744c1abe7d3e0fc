"""References in XCom: JSON on the wire, objects inside tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mistique_core import FittedRef, IntermediateRef
from mistique_core.errors import InvalidInputError
from operators.references import references_from_xcom, stage_inputs

FRAME = IntermediateRef("p", "m", 3, "x", 10, 7)
FITTED = FittedRef("p", "m", 3, "model", "sklearn.linear_model.Ridge", 9)


def wire(value: Any) -> Any:
    """Return what XCom gives back: references as JSON objects, no tuples."""
    return json.loads(json.dumps(value, default=lambda ref: ref.to_json()))


@pytest.mark.parametrize(
    "value",
    [
        FRAME,
        FITTED,
        [FRAME, FITTED],
        {"a": FRAME, "b": [1, {"c": [FITTED, None]}], "d": "text"},
        [],
        {},
        None,
        1.5,
        "text",
    ],
)
def test_round_trip(value: Any) -> None:
    assert references_from_xcom(wire(value)) == value


def test_tuples_become_lists() -> None:
    assert references_from_xcom((FRAME.to_json(), (1,))) == [FRAME, [1]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        (FRAME, {"data": FRAME}),
        (FITTED, {"data": FITTED}),
        ({"train": FRAME, "model": FITTED}, {"train": FRAME, "model": FITTED}),
        ({}, {}),
    ],
)
def test_the_inputs_of_an_operator(value: Any, expected: dict[str, Any]) -> None:
    assert stage_inputs(value) == expected
    assert stage_inputs(wire(value)) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "input 'data' is 3, not the output of a stage; pass inputs={'data': task.output}"),
        ("p.m.x", "input 'data' is 'p.m.x', not the output of a stage"),
        ([FRAME, FRAME], "input 'data' is "),
        ({"train": None}, "input 'train' is None, not the output of a stage"),
        ({"train": [FRAME]}, "input 'train' is "),
        ({"train": FRAME, "parts": {"a": FRAME}}, "input 'parts' is "),
        ({"mistique_ref": "frame"}, "is not a reference to an intermediate or a fitted object"),
        ({"mistique_ref": "fitted", "project": "p"}, "has wrong fields"),
        ({**FRAME.to_json(), "extra": 1}, "has wrong fields"),
    ],
)
def test_wrong_inputs(value: Any, message: str) -> None:
    for given in (value, wire(value)):
        with pytest.raises(InvalidInputError) as caught:
            stage_inputs(given)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


class Mapped(Sequence[Any]):
    """What mapped tasks returned, as Airflow hands it over: no list."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def __getitem__(self, place: Any) -> Any:
        return self._values[place]

    def __len__(self) -> int:
        return len(self._values)


@pytest.mark.parametrize("values", [(FRAME, None), (None, FRAME, None), (FRAME, FRAME)])
def test_mapped_tasks_that_made_one_intermediate(values: tuple[Any, ...]) -> None:
    given = Mapped(*(wire(value) for value in values))
    assert stage_inputs(given) == {"data": FRAME}
    assert stage_inputs({"train": given}) == {"train": FRAME}
    assert references_from_xcom(given) == FRAME


def test_a_single_mapped_task() -> None:
    given = Mapped(wire(FRAME))
    assert stage_inputs(given) == {"data": FRAME}
    assert references_from_xcom(given) == [FRAME], "a fan-in may be over one"


@pytest.mark.parametrize("values", [(0.5,), (3, 3, 3), (5, None), ("a", "a"), (True, 1), (None, None)])
def test_what_mapped_tasks_returned_stays_a_list(values: tuple[Any, ...]) -> None:
    assert references_from_xcom(Mapped(*values)) == list(values)


def test_references_to_several_intermediates_stay_several() -> None:
    other = IntermediateRef("p", "m", 3, "x_1", 10, 8)
    assert references_from_xcom(Mapped(wire(FRAME), wire(other))) == [FRAME, other]
    with pytest.raises(InvalidInputError, match="input 'data' is"):
        stage_inputs(Mapped(wire(FRAME), wire(other)))
