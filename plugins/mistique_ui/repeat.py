"""The Python code that asks a recorded question again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.diagnostics import TECHNIQUES

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
