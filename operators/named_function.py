"""A function that a DAG file names by a text, with its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def named_function(path: str, arguments: Mapping[str, Any] | None, what: str) -> Callable[[], Any]:
    """Return a function without parameters.

    Parameters
    ----------
    path
        ``package.module:function``; a module may also lie below the DAGs folder or ``$MISTIQUE_CODE_PATH``.
    arguments
        What it is called with, by name.
    what
        What it is for, in the error message.

    Raises
    ------
    InvalidInputError
        If `path` is no such text.
    NotFoundError
        If there is nothing of that name.
    """
    from mistique_core.workflows.code_location import named_code

    function: Callable[..., Any] = named_code(path, what)
    return partial(function, **arguments) if arguments else function
