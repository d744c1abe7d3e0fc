"""Parameters and environment variables in the texts of a specification.

``${name}`` alone is the parameter's value with its type; inside a longer text it is the value's text.
``${env:NAME}`` and ``${env:NAME:-default}`` are environment variables, always texts. ``$${`` is a literal ``${``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.workflows.specification.problem import Path

MAX_CHARACTERS = 1_000_000
"""Of a text in which parameters were replaced."""

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<body>[^{}]*)\}|\$\{")
_ENVIRONMENT = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>.*))?", re.DOTALL)
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_parameter_name(name: str) -> bool:
    """Return whether a parameter of that name can be used as ``${name}``."""
    return _PARAMETER.fullmatch(name) is not None


def texts_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text inside nested dicts and lists, with the path that leads to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts_in(item, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from texts_in(item, (*path, position))


def parameters_in(text: str) -> list[str]:
    """Return the names of the parameters that a text uses.

    Raises
    ------
    InvalidInputError
        If a ``${...}`` in it is malformed.
    """
    return [name for kind, name, _ in _parts(text) if kind == "parameter"]


def substitute(value: Any, parameters: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """Return a value with every ``${...}`` in its texts replaced; keys stay as they are.

    Parameters
    ----------
    value
        A JSON value.
    parameters
        Parameter -> JSON value, inserted as it is: a ``${...}`` inside of it is not looked at.
    environ
        Environment variables.

    Raises
    ------
    NotFoundError
        If a parameter does not exist, or an environment variable without default is not set.
    InvalidInputError
        If a ``${...}`` is malformed, or a text becomes too long.
    """
    if isinstance(value, str):
        return _substitute_text(value, parameters, environ)
    if isinstance(value, Mapping):
        return {name: substitute(item, parameters, environ) for name, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, parameters, environ) for item in value]
    return value


def _substitute_text(text: str, parameters: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    if "${" not in text:
        return text
    values = []
    for kind, name, default in _parts(text):
        if kind == "literal":
            values.append(name)
        elif kind == "environment":
            values.append(_variable(name, default, environ))
        elif name in parameters:
            values.append(parameters[name])
        else:
            raise NotFoundError(f"there is no parameter {name!r}; {did_you_mean(name, parameters)}")
    return values[0] if len(values) == 1 else _joined(values)


def _joined(values: list[Any]) -> str:
    """Return the texts of values end to end; a short text that names a long value often stands for gigabytes."""
    parts: list[str] = []
    length = 0
    for value in values:
        parts.append(_as_text(value))
        length += len(parts[-1])
        if length > MAX_CHARACTERS:
            raise InvalidInputError(f"a text becomes longer than {MAX_CHARACTERS:,} characters; name fewer parameters")
    return "".join(parts)


def _variable(name: str, default: str | None, environ: Mapping[str, str]) -> str:
    found = environ.get(name)
    if found is None:
        found = default
    if found is None:
        raise NotFoundError(f"the environment variable {name} is not set; set it, or write ${{env:{name}:-default}}")
    return found


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parts(text: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield (kind, name or literal text, default) of the parts of a text."""
    position = 0
    literal = ""
    for token in _TOKEN.finditer(text):
        literal += text[position : token.start()]
        position = token.end()
        body = token["body"]
        if token[0] == "$${":
            literal += "${"
            continue
        environment = None if body is None else _ENVIRONMENT.fullmatch(body)
        if body is None or not (environment or _PARAMETER.fullmatch(body)):
            shown = text[token.start() : token.start() + 30]
            raise InvalidInputError(
                f"{shown!r} is not ${{parameter}}, ${{env:NAME}} or ${{env:NAME:-default}}; "
                "write $${ for a literal ${"
            )
        if literal:
            yield "literal", literal, None
        literal = ""
        if environment:
            yield "environment", environment["name"], environment["default"]
        else:
            yield "parameter", body, None
    literal += text[position:]
    if literal or not text:
        yield "literal", literal, None
