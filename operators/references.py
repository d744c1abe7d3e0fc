"""References in XCom: plain JSON objects on the wire, reference objects inside tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import Ref
from mistique_core.model.ref import find_refs, ref_from_json

_MARK = "mistique_ref"


def references_from_xcom(value: Any) -> Any:
    """Return a value with every reference in JSON form turned into a reference object."""
    if isinstance(value, Mapping):
        if _MARK in value:
            return ref_from_json(value)
        return {name: references_from_xcom(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [references_from_xcom(item) for item in value]
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return _of_mapped_tasks([references_from_xcom(item) for item in value])
    return value


def _of_mapped_tasks(values: list[Any]) -> Any:
    """Return the one output of mapped tasks that have shared the row blocks of a stage, else what each returned."""
    given: list[Any] = []
    for value in values:
        if value is not None and value not in given:
            given.append(value)
    return given[0] if len(given) == 1 else values


def stage_inputs(value: Any) -> dict[str, Ref]:
    """Return the named inputs of a stage operator.

    Parameters
    ----------
    value
        One reference (named ``data``), or a mapping of names to references. What a stage with
        several outputs returned may be passed whole where all of them are wanted; so may the outputs of mapped
        tasks that share the row blocks of one stage.

    Raises
    ------
    InvalidInputError
        If something else was passed.
    """
    if value is None:
        return {}
    converted = references_from_xcom(value)
    if not isinstance(converted, Mapping):
        converted = {"data": converted}
    inputs: dict[str, Ref] = {}
    for name, item in converted.items():
        found = dict(find_refs(item, name))
        if list(found) != [name]:
            raise InvalidInputError(
                f"input {name!r} is {item!r}, not the output of a stage; pass inputs={{'{name}': task.output}}"
            )
        inputs[name] = found[name]
    return inputs
