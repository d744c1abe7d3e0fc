"""The techniques by name: shared by Python, the command line, DAGs and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mistique_core.diagnostics.descriptions import DESCRIPTIONS
from mistique_core.diagnostics.technique import Technique
from mistique_core.errors import InvalidInputError, did_you_mean

if TYPE_CHECKING:
    from mistique_core.diagnostics.result import DiagnosticResult
    from mistique_core.store import Mistique

TECHNIQUES: dict[str, Technique] = {item.name: item for item in DESCRIPTIONS}


def find_technique(name: object) -> Technique:
    """Return a technique by name.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    if not isinstance(name, str):
        raise InvalidInputError(f"technique={name!r} is not a name; give one of {', '.join(TECHNIQUES)}")
    if name not in TECHNIQUES:
        raise InvalidInputError(
            f"technique {name!r} is unknown; {did_you_mean(name, TECHNIQUES, shown=len(TECHNIQUES))}"
        )
    return TECHNIQUES[name]


def diagnose(store: Mistique, technique: str, parameters: Mapping[str, Any]) -> DiagnosticResult:
    """Answer a question in the form in which a person fills it in; nothing is read before it has been checked.

    Parameters
    ----------
    store
        An open store.
    technique
        Name of a technique.
    parameters
        JSON values by name, as :attr:`Technique.json_schema` describes them; ``None`` means the default.

    Raises
    ------
    InvalidInputError
        If the technique is unknown, or a parameter is unknown, missing or wrong.
    NotFoundError
        If a project, model, intermediate, column or row does not exist.
    """
    found = find_technique(technique)
    arguments = found.check(parameters)
    from mistique_core import diagnostics

    answer: DiagnosticResult = getattr(diagnostics, found.name)(store, **arguments)
    return answer


def check_request(request: Mapping[str, Any]) -> tuple[Technique, dict[str, Any]]:
    """Return the technique that a request names, and those of its fields that are not empty.

    A form of several techniques sends what others take as ``None``.

    Parameters
    ----------
    request
        ``technique`` and its parameters, side by side.

    Raises
    ------
    InvalidInputError
        If the technique is unknown, or a parameter is unknown, missing or wrong.
    """
    technique = find_technique(request.get("technique"))
    parameters = {name: value for name, value in request.items() if name != "technique" and value is not None}
    technique.check(parameters)
    return technique, parameters
