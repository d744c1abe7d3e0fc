"""Where a user's function lives, recorded so that it can be imported again, and found again.

A function is found by its module where that can be imported, else by its file below one of the
code folders: ``$MISTIQUE_CODE_PATH``, Airflow's DAGs folder, and the folder ``dags`` here.
Airflow loads DAG files under made-up module names, so for them only the file counts.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from blake3 import blake3

from mistique_core.errors import InvalidInputError, NotFoundError, RerunError

CODE_PATH_VARIABLE = "MISTIQUE_CODE_PATH"
_MADE_UP = ("unusual_prefix_", "mistique_code_", "__main__")


def locate(function: Callable[..., Any]) -> dict[str, str | None]:
    """Return module, file (relative to a code folder) and qualified name of a function."""
    function = inspect.unwrap(function)
    module: str | None = function.__module__
    if module is None or module.startswith(_MADE_UP):
        module = None
    source = inspect.getsourcefile(function)
    file = None
    if source is not None:
        path = Path(source).resolve()
        file = next((str(path.relative_to(root)) for root in code_folders() if path.is_relative_to(root)), path.name)
    return {"module": module, "file": file, "qualname": function.__qualname__}


def find(location: dict[str, str | None]) -> Callable[..., Any]:
    """Return the function at a location that :func:`locate` returned.

    Raises
    ------
    RerunError
        If it cannot be imported; the message says what to do.
    """
    qualname = location["qualname"] or ""
    if "<locals>" in qualname or "<lambda>" in qualname:
        raise RerunError(f"{qualname} is defined inside another function; move it to the top level of its module")
    module = _import(location["module"]) or _load_file(location["file"])
    if module is None:
        roots = ", ".join(map(str, code_folders())) or "none"
        raise RerunError(
            f"the code of {qualname} ({location['module'] or location['file']}) is not importable and not below a code "
            f"folder ({roots}); set ${CODE_PATH_VARIABLE}"
        )
    value: Any = module
    for name in qualname.split("."):
        value = getattr(value, name, None)
    value = getattr(value, "function", value)  # what Airflow's decorator wraps
    if not callable(value):
        raise RerunError(f"{module.__name__} has no function {qualname!r} any more; use strategy='read'")
    function: Callable[..., Any] = value
    return function


def named_code(path: str, what: str) -> Any:
    """Return what a text such as ``package.module:function`` or ``file.py:function`` names.

    A module that cannot be imported is looked for as a file below the code folders too.

    Parameters
    ----------
    path
        Module, or file relative to a code folder, and the name in it.
    what
        What it is for, in the error message.

    Raises
    ------
    InvalidInputError
        If `path` is no such text.
    NotFoundError
        If there is nothing of that name.
    """
    place, _, qualname = path.rpartition(":")
    if not (place and qualname):
        raise InvalidInputError(f"{what} {path!r} is no import path; write it as package.module:name")
    is_file = place.endswith(".py")
    location: dict[str, str | None] = {
        "module": None if is_file else place,
        "file": place if is_file else f"{place.replace('.', '/')}.py",
        "qualname": qualname,
    }
    try:
        return find(location)
    except RerunError as error:
        reason = str(error).removesuffix("; use strategy='read'").replace(" any more", "")
        raise NotFoundError(f"{what} {path!r} cannot be used: {reason}") from error


def code_folders() -> Iterator[Path]:
    """Return the existing folders below which recorded files are looked for."""
    configured = [item for item in os.environ.get(CODE_PATH_VARIABLE, "").split(os.pathsep) if item]
    home = os.environ.get("AIRFLOW_HOME")
    candidates = [*configured, os.environ.get("AIRFLOW__CORE__DAGS_FOLDER"), home and f"{home}/dags", "dags"]
    folders = [Path(item).expanduser().resolve() for item in candidates if item]
    return iter([folder for folder in dict.fromkeys(folders) if folder.is_dir()])


def _import(name: str | None) -> ModuleType | None:
    if name is None:
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
    except Exception as error:  # a user's module may raise anything
        raise RerunError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _load_file(relative: str | None) -> ModuleType | None:
    for root in code_folders():
        path = (root / (relative or "")).resolve()
        if not (relative and path.is_relative_to(root) and path.is_file()):
            continue
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) == str(path):
                return module
        name = f"mistique_code_{blake3(str(path).encode()).hexdigest()[:16]}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # a user's module may raise anything
            del sys.modules[name]
            raise RerunError(f"{path.name} cannot be imported: {type(error).__name__}: {error}") from error
        return module
    return None
