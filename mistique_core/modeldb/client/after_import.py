"""Act on a module as soon as the script imports it: the clients import no library that the script does not use."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from mistique_core.modeldb.client.replaced import Replaced

log = logging.getLogger(__name__)


def when_imported(replaced: Replaced, name: str, proof: str, act: Callable[[ModuleType], None]) -> None:
    """Act on a module: now, if it was imported already, or at the end of its first import.

    Parameters
    ----------
    replaced
        Takes back that imports are watched.
    name
        The module.
    proof
        An attribute that it has once it is imported whole.
    act
        What to do with it; an error is logged, and fails no import.
    """
    loaded = sys.modules.get(name)
    if loaded is not None and hasattr(loaded, proof):
        act(loaded)
    else:
        replaced.finder(_AfterImport(name, act))


class _AfterImport(importlib.abc.MetaPathFinder):
    """Does something after a module was imported for the first time.

    Parameters
    ----------
    name
        The module.
    act
        What to do with it.
    """

    def __init__(self, name: str, act: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._act = act
        self._is_asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec that the other finders find, whose loader acts at its end."""
        if fullname != self._name or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._is_asking = False
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            try:
                self._act(module)
            except Exception:
                log.exception("ModelDB: calls of %s are not recorded", fullname)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
