"""The identity of code: what a function computes, not how it is written down.

Airflow makes no new DAG version when only a function's body changes, so the code of a stage is
hashed here. Position in the file says nothing, comments and docstrings compute nothing: the hash
covers the syntax tree of the function and, transitively, of every function, class and constant of
the same project that it names. Library code is identified by its package's version instead.
Where the source cannot be read the hash is ``None``, which means "do not reuse", never "guess".
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from mistique_core.dedup import json_hash

_LIBRARY_ROOTS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML", "PIL": "pillow", "cv2": "opencv-python"}


def code_hash(function: Callable[..., Any]) -> str | None:
    """Return the hash of a function's code and of the project code that it calls.

    Returns
    -------
    str or None
        64 hex digits; ``None`` when some source cannot be read.
    """
    seen: dict[int, dict[str, Any]] = {}
    try:
        _collect(inspect.unwrap(function), seen)
    except (OSError, TypeError, SyntaxError):
        return None
    return json_hash(list(seen.values()))


def library_versions(functions: tuple[Callable[..., Any], ...], packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of `packages` and of the libraries that `functions` name, where installed."""
    names = set(packages)
    for function in functions:
        for _, value in _named_values(inspect.unwrap(function)):
            module = value if isinstance(value, types.ModuleType) else inspect.getmodule(value)
            if module is not None and _is_library(module):
                names.add(module.__name__.partition(".")[0])
        names.update(imported_packages(function))
    versions = {name: _version(name) for name in sorted(names - set(sys.stdlib_module_names))}
    return {name: version for name, version in versions.items() if version is not None}


@functools.cache
def _version(package: str) -> str | None:
    """Return the version of an importable package, or ``None`` when it is not installed."""
    for name in (_DISTRIBUTIONS.get(package, package), None):
        try:
            return metadata.version(name or _all_distributions()[package][0])
        except (metadata.PackageNotFoundError, KeyError):
            continue
    return None


@functools.cache
def _all_distributions() -> Mapping[str, list[str]]:
    """Return import name -> distributions; slow (it reads every installed package), so asked last."""
    return metadata.packages_distributions()


def _collect(value: Any, seen: dict[int, dict[str, Any]]) -> int:
    """Add `value` and what it names to `seen`, in order of occurrence; return its number there."""
    if id(value) in seen:
        return list(seen).index(id(value))
    number = len(seen)
    names: dict[str, Any] = {}
    seen[id(value)] = {"name": value.__qualname__, "source": _normalised_source(value), "names": names}
    for name, item in _named_values(value):
        target = inspect.unwrap(item) if callable(item) else item
        if isinstance(target, (types.FunctionType, type)):
            module = inspect.getmodule(target)
            if module is None or not _is_library(module):
                names[name] = _collect(target, seen)
        elif _is_constant(target):
            names[name] = _constant_text(target)
    return number


def _normalised_source(value: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            if node is tree.body[0]:
                node.decorator_list = []
                node.name = "_"
    return ast.dump(tree, annotate_fields=False)


def _named_values(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of the globals, closure cells and defaults that a function refers to."""
    functions = [value] if isinstance(value, types.FunctionType) else []
    if isinstance(value, type):
        functions = [item for item in vars(value).values() if isinstance(item, types.FunctionType)]
    for function in functions:
        used = sorted(_all_names(function.__code__))
        for name in used:
            if name in function.__globals__:
                found = function.__globals__[name]
                yield f"{function.__name__}:{name}", found
                if isinstance(found, types.ModuleType) and not _is_library(found):
                    yield from ((f"{found.__name__}.{item}", vars(found)[item]) for item in used if item in vars(found))
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        yield from ((f"{function.__name__}:default {place}", item) for place, item in enumerate(defaults))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            yield f"{function.__name__}:{name}", cell.cell_contents


def _all_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _all_names(constant)
    return names


def imported_packages(function: Callable[..., Any]) -> set[str]:
    """Return the top-level packages that a function imports in its body."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _is_library(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or file.startswith(_LIBRARY_ROOTS) or module.__name__.partition(".")[0] == "mistique_core"


def _is_constant(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_constant, value))
    if isinstance(value, dict):
        return all(_is_constant(key) and _is_constant(item) for key, item in value.items())
    return value is None or isinstance(value, (str, bytes, int, float, bool, complex))


def _constant_text(value: Any) -> str:
    """Return a constant as text that does not depend on the order in which a set is walked."""
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({sorted(map(_constant_text, value))})"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({[_constant_text(item) for item in value]})"
    if isinstance(value, dict):
        return f"dict({[(_constant_text(key), _constant_text(item)) for key, item in value.items()]})"
    return repr(value)
