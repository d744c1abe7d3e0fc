"""References in XCom: plain JSON objects on the wire, reference objects inside tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import Ref
from mistique_core.model.ref import find_refs, ref_from_json

_MARK = "mistique_ref"


def references_from_xcom(value: Any) -> Any:
    """Return a value with every reference in JSON form turned into a reference object.

    Of several mapped tasks that have shared the row blocks of one stage, that is what they made together: some return
    the same references, the others nothing.
    """
    if isinstance(value, Mapping):
        if _MARK in value:
            return ref_from_json(value)
        return {name: references_from_xcom(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [references_from_xcom(item) for item in value]
    if _is_of_mapped_tasks(value):
        found = [references_from_xcom(item) for item in value]
        return _shared(found) if len(found) > 1 else found
    return value


def _is_of_mapped_tasks(value: Any) -> bool:
    """Whether a value is what mapped tasks returned: Airflow hands over a sequence of its own, never a list."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, list, tuple))


def _shared(values: list[Any]) -> Any:
    """Return what mapped tasks made together, or what each of them returned."""
    given = [value for value in values if value is not None]
    is_one = bool(given) and all(value == given[0] for value in given) and bool(dict(find_refs(given[0], "")))
    return given[0] if is_one else values


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
    named = value if isinstance(value, Mapping) and _MARK not in value else {"data": value}
    converted = {
        name: _shared([references_from_xcom(part) for part in item])
        if _is_of_mapped_tasks(item)
        else references_from_xcom(item)
        for name, item in named.items()
    }
    inputs: dict[str, Ref] = {}
    for name, item in converted.items():
        found = dict(find_refs(item, name))
        if list(found) != [name]:
            raise InvalidInputError(
                f"input {name!r} is {item!r}, not the output of a stage; pass inputs={{'{name}': task.output}}"
            )
        inputs[name] = found[name]
    return inputs
