"""The function that feeds a network, from the text in a DAG file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def network_input(path: str, arguments: Mapping[str, Any] | None) -> Callable[[], Any]:
    """Return a function without parameters.

    Parameters
    ----------
    path
        ``package.module:function``.
    arguments
        What it is called with, by name.

    Raises
    ------
    NotFoundError
        If there is no such function.
    """
    from mistique_core.workflows.code_location import named_code

    function = named_code(path, "input_function")
    assert callable(function)
    return partial(function, **arguments) if arguments else function
