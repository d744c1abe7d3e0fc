"""The identity of code: what a function computes, not how it is written down.

Airflow makes no new DAG version when only a function's body changes, so the code of a stage is
hashed here. Position in the file says nothing, comments and docstrings compute nothing: the hash
covers the syntax tree of the function and, transitively, of every function, class and constant of
the same project that it names, imports or wraps. Library code is identified by its package's
version instead. Where something cannot be known (no source, source that is newer than the code that
runs, a global object that is neither code nor constant) the hash is ``None``, which means "do not
reuse", never "guess".
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib
import importlib.util
import inspect
import logging
import re
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from mistique_core.dedup import json_hash

log = logging.getLogger(__name__)

_LIBRARY_ROOTS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

_DISTRIBUTIONS = {
    "mistique_core": "mistique-airflow",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
    "PIL": "pillow",
    "tensorflow": "tensorflow-cpu",
    "cv2": "opencv-python",
}


class _Unknown(Exception):
    """Something that a function uses has no identity."""


def code_hash(function: Callable[..., Any]) -> str | None:
    """Return the hash of a function's or a class's code and of the project code that it uses.

    Returns
    -------
    str or None
        64 hex digits; ``None`` when something that it uses cannot be known.
    """
    try:
        return json_hash(list(_walk(function)[0].values()))
    except (_Unknown, OSError, TypeError, SyntaxError) as error:
        log.info("%s is not reused: %s", getattr(function, "__qualname__", function), error)
        return None


def library_versions(functions: tuple[Callable[..., Any], ...], packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of `packages`, of this package and of the libraries that `functions` use, where installed."""
    names = {"mistique_core", *packages}
    for function in functions:
        try:
            names |= _walk(function)[1]
        except (_Unknown, OSError, TypeError, SyntaxError):
            names |= imported_packages(function)
    versions = {name: _version(name) for name in sorted(names - set(sys.stdlib_module_names))}
    return {name: version for name, version in versions.items() if version is not None}


@functools.cache
def _version(package: str) -> str | None:
    """Return the version of an importable package, or ``None`` when it is not installed."""
    for name in dict.fromkeys((_DISTRIBUTIONS.get(package, package), package, None)):
        try:
            return metadata.version(name or _all_distributions()[package][0])
        except (metadata.PackageNotFoundError, KeyError):
            continue
    return None


@functools.cache
def _all_distributions() -> Mapping[str, list[str]]:
    """Return import name -> distributions; slow (it reads every installed package), so asked last."""
    return metadata.packages_distributions()


def _walk(function: Callable[..., Any]) -> tuple[dict[int, dict[str, Any]], set[str]]:
    """Return what a function consists of, in order of occurrence, and the top-level libraries that it uses."""
    seen: dict[int, dict[str, Any]] = {}
    libraries: set[str] = set()
    _collect(function, seen, libraries)
    return seen, libraries


def _collect(value: Any, seen: dict[int, dict[str, Any]], libraries: set[str]) -> int:
    """Add a function or class of the project and what it uses to `seen`; return its number there."""
    if id(value) in seen:
        return list(seen).index(id(value))
    number = len(seen)
    names: dict[str, Any] = {}
    tree = _syntax_tree(value)
    seen[id(value)] = {"name": value.__qualname__, "source": ast.dump(tree, annotate_fields=False), "names": names}
    for name, item in _named_values(value, tree, libraries):
        names[name] = _identity(name, item, seen, libraries)
    return number


def _identity(name: str, item: Any, seen: dict[int, dict[str, Any]], libraries: set[str]) -> Any:
    """Return the JSON identity of a value that code uses.

    Raises
    ------
    _Unknown
        If it has none.
    """
    if _is_constant(item):
        return _constant_text(item)
    if isinstance(item, functools.partial):
        parts = [item.func, *item.args, *(part for pair in sorted(item.keywords.items()) for part in pair)]
        return ["partial", *(_identity(name, part, seen, libraries) for part in parts)]
    item = getattr(item, "function", item) if not isinstance(item, (type, types.ModuleType)) else item
    module = item if isinstance(item, types.ModuleType) else inspect.getmodule(item)
    if module is not None and _is_library(module):
        libraries.add(module.__name__.partition(".")[0])
        if isinstance(item, types.ModuleType) or callable(item) or type(item).__module__ in ("typing", "types"):
            return None
    if isinstance(item, (types.FunctionType, type)):
        return _collect(item, seen, libraries)
    if isinstance(item, (types.ModuleType, logging.Logger, types.BuiltinFunctionType)):
        return None
    if isinstance(item, re.Pattern):
        return repr(item)
    if type(item).__module__ in ("typing", "types", "builtins") and callable(item):
        return None
    raise _Unknown(f"it uses {name.rpartition(':')[2]!r}, a {type(item).__name__}, which has no source")


def _syntax_tree(value: Any) -> ast.Module:
    """Return the syntax of a function or class without its name, decorators and docstrings.

    Raises
    ------
    _Unknown
        If the source is not that of the code that runs: the file was edited after it was imported.
    """
    source = textwrap.dedent(inspect.getsource(value.__code__ if isinstance(value, types.FunctionType) else value))
    tree = ast.parse(source)
    if isinstance(value, types.FunctionType) and value.__name__ != "<lambda>":
        _check_is_current(value)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            if node is tree.body[0]:
                node.decorator_list = []
                node.name = "_"
    return tree


def _check_is_current(function: types.FunctionType) -> None:
    """Compare the code that runs with what its file says now; whole modules compile as they were imported."""
    lines = inspect.findsource(function.__code__)[0]
    waiting = [compile("".join(lines), "<source>", "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        if code.co_qualname == function.__code__.co_qualname and _instructions(code) == _instructions(
            function.__code__
        ):
            return
        waiting.extend(item for item in code.co_consts if isinstance(item, types.CodeType))
    raise _Unknown("its source was edited after it was imported; restart the process")


def _instructions(code: types.CodeType) -> list[Any]:
    nested = [_instructions(item) if isinstance(item, types.CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code, code.co_names, nested]


def _named_values(value: Any, tree: ast.Module, libraries: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of the globals, imports, closure cells, defaults and bases that code refers to."""
    if isinstance(value, type):
        yield from ((f"base {base.__name__}", base) for base in value.__mro__[1:-1])
    for function in _functions_of(value):
        used = sorted(_all_names(function.__code__))
        for name in sorted(_global_names(function.__code__)):
            if name in function.__globals__:
                found = function.__globals__[name]
                yield f"{function.__name__}:{name}", found
                yield from _module_values(found, used, set())
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        yield from ((f"{function.__name__}:default {place}", item) for place, item in enumerate(defaults))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                yield f"{function.__name__}:{name}", cell.cell_contents
        yield from _imported_values(function, tree, used, libraries)


def _functions_of(value: Any) -> Iterator[types.FunctionType]:
    if isinstance(value, types.FunctionType):
        yield value
        return
    for item in vars(value).values():
        members = (
            (item.fget, item.fset, item.fdel) if isinstance(item, property) else (getattr(item, "__func__", item),)
        )
        yield from (member for member in members if isinstance(member, types.FunctionType))


def _module_values(found: Any, used: list[str], done: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield what `used` names in a module of the project and in its submodules, as in ``package.module.function``."""
    if not isinstance(found, types.ModuleType) or _is_library(found) or found.__name__ in done:
        return
    done.add(found.__name__)
    for item in used:
        if item in vars(found):
            yield f"{found.__name__}.{item}", vars(found)[item]
            yield from _module_values(vars(found)[item], used, done)


def _imported_values(
    function: types.FunctionType, tree: ast.Module, used: list[str], libraries: set[str]
) -> Iterator[tuple[str, Any]]:
    """Yield what a function imports in its body from modules of the project."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = _import_project_module(alias.name, libraries)
                if module is not None:
                    yield from _module_values(module, used, set())
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            name = (
                importlib.util.resolve_name(name, function.__globals__.get("__package__") or "") if node.level else name
            )
            module = _import_project_module(name, libraries)
            for alias in node.names if module is not None else ():
                submodule = f"{name}.{alias.name}"
                found = getattr(module, alias.name, None) or _import_project_module(submodule, libraries)
                yield submodule, found
                yield from _module_values(found, used, set())


def _import_project_module(name: str, libraries: set[str]) -> types.ModuleType | None:
    """Return a module of the project; note a library's name and return ``None`` for it."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "mistique_core":
        return None
    try:
        spec = importlib.util.find_spec(top)
        if spec is None or spec.origin is None or spec.origin.startswith(_LIBRARY_ROOTS):
            libraries.add(top)
            return None
        return importlib.import_module(name)
    except ImportError as error:
        raise _Unknown(f"it imports {name!r}, which cannot be imported: {error}") from error


def _all_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _all_names(constant)
    return names


def _global_names(code: types.CodeType) -> set[str]:
    names = {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
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
