"""The rules of OpenLineage's specification 2-0-2, as JSON schemas made from the classes that openlineage-python has.

The package holds no JSON schema of the standard, but classes generated from it: their types, and which of their fields
have no default, are taken from there. By hand are only the formats (URI, time with zone, UUID), what the specification
requires of an event (``eventTime``, ``producer``, ``schemaURL``, ``run``, ``job``) and of any facet (``_producer``,
``_schemaURL``), and which base a facet has at which place.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.generated import base

OWN = json.loads(
    (Path(__file__).parents[2] / "operators" / "openlineage" / "mistique-facets.schema.json").read_text("utf-8")
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
_PLACES = {
    "facets of a run": base.RunFacet,
    "facets of a job": base.JobFacet,
    "facets": base.DatasetFacet,
    "inputFacets": base.InputDatasetFacet,
    "outputFacets": base.OutputDatasetFacet,
}


def check_event(event: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Check one event; return place, name and ``_schemaURL`` of each of its facets.

    Raises
    ------
    AssertionError, jsonschema.ValidationError
        If it breaks a rule.
    """
    for name in ("eventTime", "eventType", "producer", "schemaURL", "run", "job"):
        assert event.get(name), f"the event has no {name}"
    jsonschema.validate(event, _schema_of(base.RunEvent), cls=jsonschema.Draft202012Validator)
    assert event["schemaURL"] == base.RunEvent._get_schema()
    _check_uri(event["producer"])
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    uuid.UUID(event["run"]["runId"])
    found = []
    for place, name, facet in _facets(event):
        _check_facet(place, name, facet)
        found.append((place, name, facet["_schemaURL"]))
    return found


def _facets(event: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for owner in ("run", "job"):
        for name, facet in event[owner].get("facets", {}).items():
            yield f"facets of a {owner}", name, facet
    for side in ("inputs", "outputs"):
        for dataset in event.get(side, []):
            own = {"inputs": "inputFacets", "outputs": "outputFacets"}[side]
            assert set(dataset) <= {"namespace", "name", "facets", own}
            assert dataset["namespace"]
            assert dataset["name"]
            for place in ("facets", own):
                for name, facet in dataset.get(place, {}).items():
                    yield place, name, facet


def _check_facet(place: str, name: str, facet: Any) -> None:
    for field in ("_producer", "_schemaURL"):
        assert isinstance(facet, dict), f"{name} of {place} is no object"
        assert isinstance(facet.get(field), str), f"{name} of {place} has no {field}"
        _check_uri(facet[field])
    url = facet["_schemaURL"]
    if url.startswith("https://openlineage.io/spec/"):
        cls = _standard()[url]
        assert issubclass(cls, _PLACES[place]), f"{name} is a facet for another place than {place}"
        if place not in ("facets of a run", "facets of a job") or name in ("errorMessage", "parent", "nominalTime"):
            jsonschema.validate(facet, _schema_of(cls), cls=jsonschema.Draft202012Validator)
    elif url.startswith(OWN["$id"]):
        assert name.startswith("mistique_"), f"the facet {name} lacks the prefix that custom facets must have"
        definition = OWN["$defs"][url.partition("#/$defs/")[2]]
        jsonschema.validate(facet, definition, cls=jsonschema.Draft202012Validator)
        assert set(facet) == set(definition["properties"])


def _check_uri(text: str) -> None:
    assert _URI.fullmatch(text), f"{text!r} is not a URI"


@cache
def _standard() -> dict[str, type]:
    """Return URL of the schema -> class of each facet of the standard."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, base.BaseFacet):
                found[value._get_schema()] = value
    return found


@cache
def _schema_of(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    fields = [field for field in attr.fields(cls) if field.name != "_deleted"]
    required = [field.name for field in fields if field.default is attr.NOTHING]
    return {
        "type": "object",
        "properties": {field.name: _type_of(hints[field.name]) for field in fields},
        "required": [*required, *(["_producer", "_schemaURL"] if issubclass(cls, base.BaseFacet) else [])],
        "additionalProperties": False,
    }


def _type_of(hint: Any) -> dict[str, Any]:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if hint is Any:
        return {}
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return {"anyOf": [_type_of(item) for item in typing.get_args(hint) if item is not type(None)]}
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        recursive = attr.has(item) and any("list[" in str(field.type) for field in attr.fields(item))
        return {"type": "array", "items": {"type": "object"} if recursive else _type_of(item)}
    if typing.get_origin(hint) is dict:
        return {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [item.value for item in hint]}
    assert attr.has(hint), f"there is no rule for {hint}"
    return _schema_of(hint)
