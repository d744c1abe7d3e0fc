"""Events of reading data with Spark."""

from __future__ import annotations

import functools
import inspect
import os
import re
from pathlib import Path
from typing import Any

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.frames import new_source
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.params import plain

_SECRET = re.compile("secret|password|token|access[.]?key|credential", re.IGNORECASE)
"""Options that Spark hides in its own logs, too."""
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]+@")
_HIDDEN = "*****"
READERS = ("csv", "json", "load", "orc", "parquet", "table")
"""Methods of a reader that give a data frame."""


def follow_options(replaced: Replaced, tracker: Tracker, cls: Any) -> None:
    """Follow which options readers are given before they read; nothing is recorded here."""

    def follow(name: str) -> None:
        method = getattr(cls, name)

        @functools.wraps(method)
        def followed(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            if tracker.is_listening:
                known = tracker.memory(SparkMemory).reader_options.setdefault(self, {})
                known.update(_options(name, args, kwargs))
            return result

        replaced.attribute(cls, name, followed)

    for name in ("format", "option", "options", "schema"):
        follow(name)


def _options(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    values = [*args, *kwargs.values()]
    if name == "options":
        return dict(kwargs)
    if name == "option":
        return {str(values[0]): values[1]} if len(values) > 1 else {}
    return {name: values[0]} if values else {}


def record_read(tracker: Tracker, call: TracedCall) -> None:
    """Record ``csv``, ``parquet`` and the like of a DataFrameReader, with the options that it was given."""
    before = tracker.memory(SparkMemory).reader_options.get(call.target, {})
    signature = inspect.signature(inspect.unwrap(getattr(type(call.target), call.method)))
    given = dict(signature.bind(call.target, *call.args, **call.kwargs).arguments)
    del given["self"]
    paths = [_without_password(_where(path)) for path in _paths(given)]
    given.update(given.pop("options", {}))
    options = {
        name: _HIDDEN if _SECRET.search(name) else _without_password(plain(value))
        for name, value in sorted({**before, **given}.items())
        if value is not None
    }
    name = f"read_{call.method}"
    event = StageEvent(
        StageKind.READ,
        name,
        call_path(type(call.target), call.method),
        name,
        params={"path": paths[0] if len(paths) == 1 else paths, "options": options},
        **call.times,
    )
    if call.error is None:
        source = new_source(tracker, call.result, event=event, filepath=", ".join(filter(None, paths)))
        event.frames = {"": source.entity}
        tracker.views.adopt(call.result, source)
    tracker.buffer.add(event)


def _paths(given: dict[str, Any]) -> list[Any]:
    """Take what was read out of the arguments."""
    for name in ("path", "paths", "tableName"):
        if name in given:
            found = given.pop(name)
            return list(found) if isinstance(found, (list, tuple)) else [found]
    return []


def _where(path: Any) -> str:
    """Return where data was read from: absolute, if it is a file or a folder here; "" for what is no path."""
    if not isinstance(path, str):
        return ""
    return str(Path(path).absolute()) if "://" not in path and os.path.lexists(path) else path


def _without_password(value: Any) -> Any:
    """Return a value without the password of an address."""
    return _PASSWORD.sub(rf"\1{_HIDDEN}@", value) if isinstance(value, str) else value
