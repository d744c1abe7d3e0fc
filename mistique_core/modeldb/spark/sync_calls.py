"""``fitSync``, ``transformSync``... of the thesis (4.4.1): PySpark's classes have them while a Syncer is active."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from mistique_core.errors import MistiqueError
from mistique_core.modeldb.client.after_import import when_imported
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.tracker import Step, Tracker
from mistique_core.modeldb.spark.fit_events import prepare_fit, record_fit
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.metric_events import MODEL, record_evaluation
from mistique_core.modeldb.spark.read_events import READERS, record_read
from mistique_core.modeldb.spark.saved_models import OnSaved, record_saved
from mistique_core.modeldb.spark.split_events import prepare_split, record_split
from mistique_core.modeldb.spark.trace import BASE, EVALUATION, FRAMES, READER, follow_spark
from mistique_core.modeldb.spark.transform_events import record_transform

log = logging.getLogger(__name__)

UTIL = "pyspark.ml.util"
Tag = Callable[[Any, str], None]


def add_spark_calls(
    replaced: Replaced, tracker: Tracker, *, count_rows: bool = False, tag: Tag, on_saved: OnSaved
) -> None:
    """Add the calls to PySpark's classes, now or once it is imported; each by two names, ``fitSync`` and ``fit_sync``.

    Parameters
    ----------
    replaced, tracker
        Of the run.
    count_rows
        Whether rows of data frames are counted, each time by a job of Spark.
    tag
        Names an object.
    on_saved
        See :func:`record_saved`.
    """
    tracker.memory(SparkMemory).counts_rows = count_rows
    follow_spark(replaced, tracker)

    def add(cls: Any, name: str, record: Step, prepare: Step | None = None) -> None:
        _add(replaced, cls, name, _sync_method(tracker, name, record, prepare))

    def frames(module: ModuleType) -> None:
        add(module.DataFrame, "randomSplit", record_split, prepare_split)
        replaced.attribute(module.DataFrame, "tag", _FrameTag(tag))

    def reader(module: ModuleType) -> None:
        for name in READERS:
            add(module.DataFrameReader, name, record_read)

    def base(module: ModuleType) -> None:
        add(module.Estimator, "fit", record_fit, prepare_fit)
        add(module.Transformer, "transform", record_transform)
        for cls in (module.Estimator, module.Transformer):
            replaced.attribute(cls, "tag", _tag_method(tag))

    def evaluation(module: ModuleType) -> None:
        _add(replaced, module.Evaluator, "evaluate", _evaluate_method(tracker))

    def util(module: ModuleType) -> None:
        add(module.MLWritable, "save", lambda tracker, call: record_saved(tracker, call, on_saved))

    when_imported(replaced, FRAMES, "DataFrame", frames)
    when_imported(replaced, READER, "DataFrameReader", reader)
    when_imported(replaced, BASE, "Model", base)
    when_imported(replaced, EVALUATION, "RankingEvaluator", evaluation)
    when_imported(replaced, UTIL, "MLWritable", util)


def _add(replaced: Replaced, cls: Any, name: str, method: Any) -> None:
    method.__doc__ = f"Call ``{name}`` and record it."
    for title in (f"{name}Sync", f"{re.sub('([A-Z])', lambda found: '_' + found.group().lower(), name)}_sync"):
        replaced.attribute(cls, title, method)


def _plain(name: str) -> Any:
    def plain(target: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(target, name)(*args, **kwargs)

    return plain


def _sync_method(tracker: Tracker, name: str, record: Step, prepare: Step | None) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracker.is_listening:
            return getattr(self, name)(*args, **kwargs)
        return tracker.make(TracedCall(self, name, _plain(name), args, kwargs), record, prepare)

    return method


def _evaluate_method(tracker: Tracker) -> Any:
    def method(self: Any, dataset: Any, model: Any = None, params: Any = None) -> Any:
        if not tracker.is_listening:
            return self.evaluate(dataset, params)
        call = TracedCall(self, "evaluate", _plain("evaluate"), (dataset, params), {}, before={MODEL: model})
        return tracker.make(call, record_evaluation)

    return method


def _tag_method(tag: Tag) -> Any:
    def method(self: Any, name: str) -> Any:
        """Name this object for people; return it."""
        try:
            tag(self, name)
        except MistiqueError:
            log.exception("ModelDB: a %s could not be tagged; the script goes on", type(self).__name__)
        return self

    return method


class _FrameTag:
    """The method ``tag`` of data frames; one that has a column of that name keeps it."""

    def __init__(self, tag: Tag) -> None:
        self._method = _tag_method(tag)

    def __get__(self, frame: Any, owner: Any = None) -> Any:
        if frame is None:
            return self._method
        return frame["tag"] if "tag" in frame.columns else self._method.__get__(frame, owner)
