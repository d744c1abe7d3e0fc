"""Checking the arguments of a technique by its description, however it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from mistique_core.diagnostics.registry import find_technique
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.errors import InvalidInputError

_Arguments = ParamSpec("_Arguments")


def checked(function: Callable[_Arguments, DiagnosticResult]) -> Callable[_Arguments, DiagnosticResult]:
    """Let a function see only arguments that its technique's description allows, in their normal form.

    Parameters
    ----------
    function
        A function with the name and the parameters of a technique, after the store.

    Raises
    ------
    InvalidInputError
        On a call, if an argument has the wrong type or is out of bounds; before anything is read.
    """
    technique = find_technique(function.__name__)
    signature = inspect.signature(function)

    @wraps(function)
    def ask(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> DiagnosticResult:
        bound = signature.bind(*args, **kwargs)
        try:
            for item in technique.parameters:
                if item.name in bound.arguments:
                    bound.arguments[item.name] = item.check(bound.arguments[item.name])
        except InvalidInputError as error:
            raise InvalidInputError(f"{technique.name}: {error}") from None
        return function(*bound.args, **bound.kwargs)

    return ask
