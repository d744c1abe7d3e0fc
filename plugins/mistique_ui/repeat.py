"""The Python code that asks a recorded question again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mistique_core.diagnostics import TECHNIQUES, Parameter

_PARTS_OF_CHECK_UPS = ("compare_models", "residuals")
_MOST_CHARACTERS = 88


def python_code(technique: str, request: Mapping[str, Any], location: str) -> str | None:
    """Return a script, or ``None`` where nothing that can be asked was recorded.

    Parameters
    ----------
    technique, request
        As they were recorded.
    location
        Of the store.
    """
    given = {name: value for name, value in request.items() if name != "technique" and value is not None}
    if technique in TECHNIQUES:
        package = "diagnostics"
        defaults = {item.name: item.default for item in TECHNIQUES[technique].parameters if not item.required}
        given = {name: value for name, value in given.items() if defaults.get(name) != value}
    elif technique in _PARTS_OF_CHECK_UPS:
        package = "checkup"
    else:
        return None
    return "\n".join(
        [
            f"from mistique_core import Mistique, {package}",
            "",
            f"with Mistique.open({location!r}) as store:",
            *_call(f"    answer = {package}.{technique}(", given),
            "print(answer.sentence)",
            'answer.save("answer.html")  # answer.frame has all rows',
        ]
    )


def _call(start: str, given: Mapping[str, Any]) -> list[str]:
    arguments = ["store", *(f"{name}={value!r}" for name, value in given.items())]
    line = f"{start}{', '.join(arguments)})"
    if len(line) <= _MOST_CHARACTERS:
        return [line]
    return [start, *(f"        {argument}," for argument in arguments), "    )"]


def command_line(technique: str, request: Mapping[str, Any], location: str) -> str:
    """Return the command that asks a question on a terminal.

    Parameters
    ----------
    technique, request
        A technique of the registry, and its parameters as JSON values; those that are ``None`` are left out.
    location
        Of the store.
    """
    found = TECHNIQUES[technique]
    lists = sum(item.required and item.kind in ("keys", "columns") for item in found.parameters)
    words = ["mistique", "--store", location, "diagnose", technique]
    options: list[str] = []
    for item in found.parameters:
        value = request.get(item.name)
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        if value is None or (not item.required and value == default):
            continue
        named = item.kind not in ("column", "columns", "keys") or (item.is_list and lists > 1)
        if named or not item.required:
            options += _option(item, value)
        else:
            words += [str(key) for key in (value if isinstance(value, (list, tuple)) else [value])]
    return shlex.join([*words, *options])


def _option(item: Parameter, value: Any) -> list[str]:
    name = f"--{item.name.replace('_', '-')}"
    if item.kind == "boolean":
        return [name if value else f"--no-{name.removeprefix('--')}"]
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if item.kind == "where":
        return [word for one in values for word in (name, one if isinstance(one, str) else _predicate(one))]
    if item.kind == "rows":
        return [f"{name}={','.join(map(str, values))}"]
    if item.kind in ("keys", "columns"):
        return [name, *map(str, values)]
    if item.kind == "label" and not isinstance(value, str):
        return [f"{name}={json.dumps(value)}"]
    return [f"{name}={value}"]


def _predicate(triple: Any) -> str:
    column, symbol, value = triple
    return f"{column}{symbol}{json.dumps(value)}"
