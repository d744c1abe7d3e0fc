"""Check a document against the JSON schema, in words that name keys and remedies."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mistique_core.errors import did_you_mean
from mistique_core.workflows.operator_names import OPERATORS
from mistique_core.workflows.specification.document import Document
from mistique_core.workflows.specification.parameter import in_words
from mistique_core.workflows.specification.problem import Path
from mistique_core.workflows.specification.schema import load_schema

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


def check_structure(document: Document) -> None:
    """Note everything in which a document differs from the schema."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(load_schema()).iter_errors(document.value):
        for path, text, at in _explain(error):
            document.report(path, text, at=at)


def _explain(error: ValidationError) -> Iterator[tuple[Path, str, Path | None]]:
    """Yield (path, what is wrong there, where its line is taken from) of one error of the validator."""
    path: Path = tuple(error.absolute_path)
    value: Any = error.instance
    expected: Any = error.validator_value
    schema: Any = error.schema
    if error.validator == "required":
        for name in expected:
            if name not in value:
                yield (*path, name), "this key is missing", path
        return
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        for name in value:
            if name not in known:
                yield (*path, name), f"unknown key; {_hint(name, known)}", None
        return
    if error.validator == "anyOf":
        if path[-1:] == ("operator",) and isinstance(value, str):
            yield path, _unknown_operator(value), None
            return
        inner = [item for item in error.context or () if len(item.relative_path) > 0 or _fits_type(item)]
        if inner:
            for item in inner:
                yield from _explain(item)
            return
    if error.validator == "not":
        yield path, "only a stage of your own function takes this key; remove it", None
        return
    if error.validator == "minimum":
        yield path, f"{value!r} is too small; give at least {expected}", None
        return
    if error.validator in ("minProperties", "minLength", "minItems"):
        yield path, "this is empty; fill it in, or remove it", None
        return
    yield path, f"{_shown(value)} is not {_describe(schema)}", None


def _fits_type(error: ValidationError) -> bool:
    """Return whether a value has the type that one alternative wants, so that its errors are what matters."""
    return error.validator in ("required", "additionalProperties", "minProperties", "minItems", "minimum")


def _hint(name: str, known: list[str]) -> str:
    return did_you_mean(name, known, shown=20) if known else "there are none here"


def _unknown_operator(name: str) -> str:
    known = load_schema()["$defs"]["stage"]["properties"]["operator"]["anyOf"][0]["enum"]
    if name in OPERATORS:
        return f"{name} cannot be written in YAML; write your function's place, as module:function or file.py:function"
    close = difflib.get_close_matches(name, known, n=3)
    hint = did_you_mean(name, known, shown=40) if not close else did_you_mean(name, close)
    return f"unknown operator {name!r}; {hint} (your own: module:function or file.py:function)"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _describe(schema: Mapping[str, Any]) -> str:
    """Return what a schema accepts, for people."""
    return " or ".join(dict.fromkeys(_alternatives(schema)))


def _alternatives(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        if target == "template":
            yield "${parameter}"
        else:
            yield from _alternatives(load_schema()["$defs"][target])
    elif "anyOf" in schema:
        for member in schema["anyOf"]:
            yield from _alternatives(member)
    elif "enum" in schema:
        yield f"one of {', '.join(map(str, schema['enum']))}"
    elif schema.get("type") == "array" and schema.get("items"):
        yield f"a list of items each {_describe(schema['items'])}"
    elif "type" in schema:
        yield in_words(schema["type"])
    else:
        yield "what is allowed here"
