"""The text of a Light API file as a document with the line of each key: YAML or JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from mistique_core.model.nesting import is_deeper
from mistique_core.workflows.specification.document import MAX_DEPTH, TOO_DEEP, Document, read_document
from mistique_core.workflows.specification.problem import DocumentError, Problem

_LEAST = "MODEL with NAME, TYPE and CONFIG"
_TWICE = "this key is there already"
MAX_JSON_CHARACTERS = 16_000_000
"""Of a JSON file, which a program wrote; one of YAML may have as many as a workflow."""


class LightFileError(DocumentError):
    """A Light API file cannot be used."""


def read_text(text: str, source: str) -> Document:
    """Return a document; what begins with ``{`` and is JSON is read as JSON.

    Raises
    ------
    LightFileError
        If it is neither, or holds a key twice or a value that JSON lacks.
    """
    is_json = source.lower().endswith(".json")
    if is_json or text.lstrip("\ufeff \t\r\n").startswith("{"):
        document = _read_json(text, source, must=is_json)
        if document is not None:
            return document
    return _read_yaml(text, source)


def _read_yaml(text: str, source: str) -> Document:
    return read_document(text, source, least=_LEAST, error=LightFileError, any_key=True)


def _read_json(text: str, source: str, *, must: bool) -> Document | None:
    """Return a document with JSON's values and, where YAML's reader understands it too, the lines."""
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            twice.extend(name for name, times in Counter(name for name, _ in items).items() if times > 1)
        return found

    def refuse(constant: str) -> Any:
        raise _NoJsonError(f"{constant} is not a JSON value; write a text, or leave it out")

    if len(text) > MAX_JSON_CHARACTERS:
        too_long = f"the file has {len(text):,} characters; write at most {MAX_JSON_CHARACTERS:,}"
        raise LightFileError(source, [Problem(1, "", too_long)])
    problem = None
    value = None
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=pairs, parse_constant=refuse)
    except json.JSONDecodeError as error:
        problem = Problem(error.lineno, "", f"this is not JSON: {error.msg}")
    except _NoJsonError as error:
        problem = Problem(1, "", str(error))
    except ValueError as error:  # digits that Python does not make a number of
        problem = Problem(1, "", f"this is not JSON: {error}")
    except RecursionError:
        problem = Problem(1, "", TOO_DEEP)
    if problem is None and is_deeper(value, MAX_DEPTH):
        raise LightFileError(source, [Problem(1, "", TOO_DEEP)])
    if problem is not None:
        if must:
            raise LightFileError(source, [problem])
        return None
    document = Document(source, value, error=LightFileError)
    try:
        # Tabs are only white space in JSON, and what YAML's reader does not take.
        same = _read_yaml(text.replace("\t", " "), source)
    except LightFileError:
        same = Document(source)
    document.lines = same.lines
    if twice:
        found = [item for item in same.problems if item.text.startswith(_TWICE)]
        document.problems += found or [Problem(1, "", f"the key {name!r} is there twice; remove one") for name in twice]
    return document


class _NoJsonError(ValueError):
    """A constant that Python's reader takes and JSON lacks."""
