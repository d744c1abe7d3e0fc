"""Check a document against the JSON schema of Light API files, in words that name keys and remedies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mistique_core.workflows.specification.document import Document
from mistique_core.workflows.specification.problem import Path

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA_FILE = "light.schema.json"
_TYPES = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "string": "a text (put numbers in quotes)",
    "number": "a number",
    "integer": "a whole number",
}


@cache
def load_schema() -> dict[str, Any]:
    """Return the schema, which ships with the package."""
    text = files("mistique_core.modeldb.light_api").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check_structure(document: Document) -> None:
    """Note everything in which a document differs from the schema."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(load_schema()).iter_errors(document.value):
        for path, text, at in _explain(error):
            document.report(path, text, at=at)
    if isinstance(document.value, dict):
        for path, entry, kind in _entries(document.value):
            _check_case(document, path, entry, kind)


def known_keys(kind: str) -> tuple[str, ...]:
    """Return the keys that an entry may have besides free ones: of ``dataset``, ``model``, ``metric``, or "" (all)."""
    schema = load_schema()
    return tuple((schema["$defs"][kind] if kind else schema)["properties"])


def _entries(value: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """Yield (path, entry, its kind) of everything whose keys are known."""
    yield (), value, ""
    models: list[tuple[Path, Any]] = [(("MODEL",), value.get("MODEL"))]
    models += [(("MODELS", position), item) for position, item in _items(value.get("MODELS"))]
    for position, item in _items(value.get("DATASETS")):
        if isinstance(item, dict):
            yield ("DATASETS", position), item, "dataset"
    for path, model in models:
        if isinstance(model, dict):
            yield path, model, "model"
            for position, item in _items(model.get("METRICS")):
                if isinstance(item, dict):
                    yield (*path, "METRICS", position), item, "metric"


def _items(value: Any) -> Iterator[tuple[int, Any]]:
    if isinstance(value, list):
        yield from enumerate(value)


def _check_case(document: Document, path: Path, entry: dict[str, Any], kind: str) -> None:
    """A key that differs from a known one only in its case is a mistake, not metadata."""
    known = {name.lower(): name for name in known_keys(kind)}
    for name in entry:
        meant = known.get(name.lower(), name)
        if meant != name and meant not in entry:
            document.report((*path, name), f"keys of the format are in capitals; did you mean {meant!r}?")


def _explain(error: ValidationError) -> Iterator[tuple[Path, str, Path | None]]:
    """Yield (path, what is wrong there, where its line is taken from) of one error of the validator."""
    path: Path = tuple(error.absolute_path)
    value: Any = error.instance
    expected: Any = error.validator_value
    if error.validator == "required":
        for name in expected:
            if name not in value:
                yield (*path, name), "this key is missing", path
    elif error.validator in ("minLength", "minItems"):
        yield path, "this is empty; fill it in, or remove it", None
    elif error.validator == "maxLength":
        yield path, f"{len(value)} characters are too many; write at most {expected}", None
    elif error.validator == "pattern":
        yield path, "this holds a character that cannot be stored; remove it", None
    elif error.validator in ("minimum", "maximum"):
        yield path, f"{value} is out of range; the limit is {expected}", None
    else:
        kinds = [expected] if isinstance(expected, str) else list(expected)
        wanted = " or ".join(_TYPES[kind] for kind in kinds if kind in _TYPES)
        yield path, f"{_shown(value)} is not {wanted}", None


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
