"""Following of data frames that a script makes of others. Nothing is recorded here, and no job is started."""

from __future__ import annotations

import functools
import logging
from typing import Any

from mistique_core.modeldb.client.data_source import DataView, is_spark_frame
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.frames import ROW_BY_ROW
from mistique_core.modeldb.spark.memory import Derived, SparkMemory

log = logging.getLogger(__name__)

_SAME_DATA = (
    "alias", "cache", "checkpoint", "coalesce", "hint", "localCheckpoint", "orderBy", "persist", "repartition",
    "repartitionByRange", "sort", "sortWithinPartitions", "unpersist",
)  # fmt: skip
"""Methods whose result has the same rows and columns."""
_OTHER_ROWS = (
    "crossJoin", "distinct", "dropDuplicates", "dropna", "exceptAll", "filter", "intersect", "intersectAll", "join",
    "limit", "offset", "sample", "sampleBy", "subtract", "union", "unionAll", "unionByName", "where",
)  # fmt: skip
"""Methods whose result has other rows, of this data frame and of those that they are given."""
_MOST_CALLS = 100
"""Of a loop that derives a data frame again and again, the last ones are remembered."""
_PARTS = ("__getitem__", "drop", "select")
"""Methods whose result may be some of the columns."""


def follow_frames(replaced: Replaced, tracker: Tracker, cls: type) -> None:
    """Follow what the methods of a class of data frames make of known data."""
    for name in (*_SAME_DATA, *_OTHER_ROWS, *_PARTS, *sorted(ROW_BY_ROW.difference(_PARTS))):
        if hasattr(cls, name):
            _follow(replaced, tracker, cls, name)


def _follow(replaced: Replaced, tracker: Tracker, cls: type, name: str) -> None:
    method = getattr(cls, name)

    @functools.wraps(method)
    def followed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        if result is not self and tracker.is_listening and is_spark_frame(result):
            try:
                _remember(tracker, self, name, (*args, *kwargs.values()), result)
            except Exception as error:
                log.debug("ModelDB: a data frame is not followed: %s", error)
        return result

    replaced.attribute(cls, name, followed)


def _remember(tracker: Tracker, frame: Any, name: str, args: tuple[Any, ...], result: Any) -> None:
    memory = tracker.memory(SparkMemory)
    known = tracker.views.find(frame)
    if name in _SAME_DATA or (name == "select" and args == ("*",)):
        derived = memory.derived(frame)
        if known is not None:
            tracker.views.remember(result, known)
        elif derived is not None:
            memory.remember_derived(result, derived)
        return
    if name in _PARTS and known is not None:
        columns = _taken(name, args, known.columns or ())
        if columns is not None:
            tracker.views.remember(result, DataView(known.source, columns))
            return
    inputs, calls = _origin(tracker, frame)
    for other in filter(is_spark_frame, args):
        more, before = _origin(tracker, other)
        inputs, calls = (*inputs, *more), (*calls, *before)
    if inputs:
        calls = (*calls, "select" if name == "__getitem__" else name)[-_MOST_CALLS:]
        memory.remember_derived(result, Derived(tuple(dict.fromkeys(inputs)), calls))


def _origin(tracker: Tracker, frame: Any) -> tuple[tuple[DataView, ...], tuple[str, ...]]:
    """Return the known data that a data frame is or came from, and what was called since."""
    known = tracker.views.find(frame)
    if known is not None:
        return (known,), ()
    derived = tracker.memory(SparkMemory).derived(frame)
    return ((), ()) if derived is None else (derived.inputs, derived.calls)


def _taken(name: str, args: tuple[Any, ...], columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return which columns of known ones are taken; ``None`` where the arguments are not just their names."""
    names = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
    if not names or not all(isinstance(item, str) for item in names):
        return None
    if name == "drop":
        # Names that no column has are ignored, and letters in another case are not.
        others = {item.lower() for item in names if item not in columns}
        is_exact = others.isdisjoint(column.lower() for column in columns)
        return tuple(column for column in columns if column not in names) if is_exact else None
    return tuple(names) if all(item in columns for item in names) else None
