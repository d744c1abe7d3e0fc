"""The JSON schema of an operator's parameters, from the constructor of its stage class."""

from __future__ import annotations

import collections.abc
import inspect
import json
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.operator_names import OperatorEntry

OUTPUTS = "x-outputs"
"""Keyword of an operator's schema that holds :attr:`Stage.outputs`."""

TEMPLATE = {"$ref": "#/$defs/template"}
_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def operator_schema(entry: OperatorEntry) -> dict[str, Any] | None:
    """Return the schema of an operator's ``params``; ``None`` if YAML cannot express one of them."""
    cls = entry.stage_class()
    hints = typing.get_type_hints(cls.__init__)
    texts = _parameter_texts(inspect.getdoc(cls) or "")
    properties: dict[str, Any] = {}
    required = []
    for name, parameter in list(inspect.signature(cls).parameters.items()):
        if name in entry.fixed or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        try:
            schema = type_schema(hints.get(name, Any))
        except InvalidInputError:
            return None
        if name in texts:
            schema = {"description": texts[name], **schema}
        if parameter.default is parameter.empty:
            required.append(name)
        elif _is_json(parameter.default):
            schema = {**schema, "default": parameter.default}
        properties[name] = schema
    outputs = None if cls.outputs is None else list(dict.fromkeys((*cls.outputs, *cls.learns)))
    made: dict[str, Any] = {"description": entry.summary, "type": "object", "properties": properties}
    if required:
        made["required"] = required
    return {**made, "additionalProperties": False, OUTPUTS: outputs}


def type_schema(hint: Any) -> dict[str, Any]:
    """Return the schema of a type, in which every value may also be a text with ``${...}``.

    Raises
    ------
    InvalidInputError
        If no JSON value has the type.
    """
    schema = _plain_schema(hint)
    kinds = schema.get("type")
    if not schema or kinds == "string" or "string" in (kinds or ()):
        return schema
    return {"anyOf": [*schema["anyOf"], TEMPLATE]} if set(schema) == {"anyOf"} else {"anyOf": [schema, TEMPLATE]}


def _plain_schema(hint: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return {}
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return _union([_plain_schema(item) for item in arguments])
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, collections.abc.Mapping):
        values = arguments[1] if len(arguments) == 2 else Any
        return {"type": "object", "additionalProperties": type_schema(values)}
    if isinstance(kind, type) and issubclass(kind, (collections.abc.Collection, collections.abc.Sequence)):
        items = arguments[0] if arguments else Any
        return {"type": "array", "items": type_schema(items)}
    raise InvalidInputError(f"no JSON value is a {hint!r}")


def _union(members: list[dict[str, Any]]) -> dict[str, Any]:
    if any(not member for member in members):
        return {}
    if all(set(member) == {"type"} for member in members):
        return {"type": [member["type"] for member in members]}
    return {"anyOf": members}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _parameter_texts(doc: str) -> Mapping[str, str]:
    """Return the descriptions in the section ``Parameters`` of a NumPy-style docstring."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", doc, re.DOTALL | re.MULTILINE)
    texts: dict[str, list[str]] = {}
    names: list[str] = []
    for line in section[1].splitlines() if section else []:
        if line.strip() and not line.startswith(" "):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        elif line.strip():
            for name in names:
                texts.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines).replace("``", "").replace("`", "") for name, lines in texts.items()}
