"""Attributes and functions of other packages, replaced for a while and put back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

_ABSENT = object()
_NOT_LOOKED_AT = frozenset(
    {
        *sys.stdlib_module_names, "airflow", "h5py", "joblib", "keras", "lightgbm", "matplotlib", "mistique_core",
        "narwhals", "numpy", "pandas", "py4j", "pyarrow", "pyspark", "rich", "scipy", "sklearn", "sqlalchemy",
        "tensorflow", "torch", "xgboost",
    }
)  # fmt: skip
"""Packages whose own use of what is replaced stays as it is."""


class Replaced:
    """What is replaced, in order."""

    def __init__(self) -> None:
        self._attributes: list[tuple[Any, str, Any, Any]] = []
        self._functions: dict[int, tuple[Any, Any]] = {}
        self._finders: list[Any] = []

    def finder(self, finder: Any) -> None:
        """Let a finder of modules look first."""
        self._finders.append(finder)
        sys.meta_path.insert(0, finder)

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a class or a module."""
        self._attributes.append((owner, name, vars(owner).get(name, _ABSENT), value))
        setattr(owner, name, value)

    def function(self, module: ModuleType, name: str, value: Any) -> None:
        """Replace a function of a module, and prepare to replace it where it was imported from there."""
        self._functions[id(getattr(module, name))] = (getattr(module, name), value)
        self.attribute(module, name, value)

    def where_imported(self) -> None:
        """Replace the functions in the modules of the script, whatever they are called there."""
        self._swap({key: new for key, (_, new) in self._functions.items()})

    def put_back(self) -> None:
        """Put everything back, also where the replacements were imported since; what others changed since stays."""
        for owner, name, before, value in reversed(self._attributes):
            if vars(owner).get(name) is not value:
                continue
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._swap({id(new): old for old, new in self._functions.values()})
        for finder in self._finders:
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)
        self._finders.clear()
        self._attributes.clear()
        self._functions.clear()

    @staticmethod
    def _swap(replacements: Mapping[int, Any]) -> None:
        known = replacements.keys()
        for module_name, module in list(sys.modules.items()):
            if module_name.partition(".")[0] in _NOT_LOOKED_AT and module_name != "__main__":
                continue
            names = getattr(module, "__dict__", None)
            if not isinstance(names, dict) or known.isdisjoint(map(id, names.values())):
                continue
            for name, value in list(names.items()):
                if id(value) in known:
                    names[name] = replacements[id(value)]
