"""Following of columns that a script takes out of frames. Nothing is recorded here, and no value is looked at."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.tracker import Tracker

log = logging.getLogger(__name__)

Remember = Callable[[Any, Any, Any], None]


def follow_columns(replaced: Replaced, tracker: Tracker) -> None:
    """Follow ``frame[names]``, ``frame.loc[:, names]``, ``frame.drop(columns=...)``, copies and arrays of values."""
    import pandas as pd
    from pandas.core import indexing

    indexer_class: Any = vars(indexing)["_LocationIndexer"]
    views = tracker.views

    def took_item(frame: Any, key: Any, taken: Any) -> None:
        if isinstance(key, str) or (isinstance(key, (list, pd.Index)) and len(key) and _are_names(key)):
            views.took_columns(frame, taken)

    def took_place(indexer: Any, key: Any, taken: Any) -> None:
        is_all_rows = isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], slice) and key[0] == slice(None)
        if is_all_rows and getattr(indexer.obj, "ndim", 0) == 2:
            views.took_columns(indexer.obj, taken)

    def dropped(frame: Any, _: Any, taken: Any) -> None:
        if taken is not None and len(taken) == len(frame):
            views.took_columns(frame, taken)

    def took_values(data: Any, _: Any, values: Any) -> None:
        views.took_values(data, values)

    _follow(replaced, tracker, pd.DataFrame, "__getitem__", took_item)
    _follow(replaced, tracker, indexer_class, "__getitem__", took_place)
    _follow(replaced, tracker, pd.DataFrame, "drop", dropped)
    for cls in (pd.DataFrame, pd.Series):
        for name in ("copy", "to_numpy", "__array__"):
            _follow(replaced, tracker, cls, name, took_values)
        _follow_property(replaced, tracker, cls, "values", took_values)


def _are_names(key: Any) -> bool:
    """Return whether a list selects columns: one of truth values selects rows."""
    dtype = getattr(key, "dtype", None)
    return getattr(dtype, "kind", "") != "b" and not isinstance(key[0], bool)


def _follow(replaced: Replaced, tracker: Tracker, cls: type, name: str, remember: Remember) -> None:
    method = getattr(cls, name)

    @functools.wraps(method)
    def followed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        if result is not None and tracker.is_listening:
            _quietly(remember, self, args[0] if args else None, result)
        return result

    replaced.attribute(cls, name, followed)


def _follow_property(replaced: Replaced, tracker: Tracker, cls: type, name: str, remember: Remember) -> None:
    own: property = getattr(cls, name)

    def get(self: Any) -> Any:
        result = own.__get__(self, cls)
        if tracker.is_listening:
            _quietly(remember, self, None, result)
        return result

    replaced.attribute(cls, name, property(get, own.fset, own.fdel, own.__doc__))


def _quietly(remember: Remember, data: Any, key: Any, result: Any) -> None:
    try:
        remember(data, key, result)
    except Exception as error:
        log.debug("ModelDB: columns of a %s are not followed: %s", type(data).__name__, error)
