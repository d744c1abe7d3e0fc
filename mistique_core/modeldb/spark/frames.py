"""Data frames of Spark as data of a run. Nothing here starts a job of Spark, unless rows are to be counted."""

from __future__ import annotations

import logging
import time
from typing import Any

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.data_source import DataSource, DataView, is_spark_frame
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.memory import Derived, SparkMemory, VectorItems

log = logging.getLogger(__name__)

ROW_BY_ROW = frozenset(
    {
        "drop", "fillna", "replace", "select", "selectExpr", "to", "toDF", "withColumn", "withColumnRenamed",
        "withColumns", "withColumnsRenamed", "withMetadata",
    }
)  # fmt: skip
"""Methods that change columns, and leave the rows."""
VECTOR = "vector"


def view_of(tracker: Tracker, frame: Any) -> DataView:
    """Return what a data frame is; one that was made of known ones becomes an event, any other is data of its own."""
    found = tracker.views.find(frame)
    if found is not None or not is_spark_frame(frame):
        return tracker.views.view(frame) if found is None else found
    derived = tracker.memory(SparkMemory).derived(frame)
    source = new_source(tracker, frame)
    if derived is not None:
        _add_derived(tracker, derived, source)
    return tracker.views.adopt(frame, source)


def new_source(tracker: Tracker, frame: Any, **facts: Any) -> DataSource:
    """Return a data frame as new data.

    Parameters
    ----------
    tracker
        Whose data.
    frame
        The data frame.
    **facts
        Further attributes.
    """
    return DataSource(_rows_of(tracker, frame), dict(frame.dtypes), **facts)


def take_over_items(tracker: Tracker, made: DataSource, *sources: DataSource) -> dict[str, VectorItems]:
    """Let new data have the vector columns of older data whose items are known; return them, to be added to."""
    memory = tracker.memory(SparkMemory)
    items = memory.items_of(made)
    for source in sources:
        for name, known in memory.items_of(source).items():
            if (made.columns or {}).get(name) == VECTOR:
                items.setdefault(name, known)
    return items


def _rows_of(tracker: Tracker, frame: Any) -> int | None:
    if not tracker.memory(SparkMemory).counts_rows:
        return None
    try:
        return int(frame.count())
    except Exception as error:
        log.warning("ModelDB: the rows of a data frame could not be counted: %s", error)
        return None


def _add_derived(tracker: Tracker, derived: Derived, source: DataSource) -> None:
    now = time.time()
    sources = list(dict.fromkeys(view.source for view in derived.inputs))
    is_row_by_row = ROW_BY_ROW.issuperset(derived.calls)
    event = StageEvent(
        StageKind.OTHER,
        "columns_changed" if is_row_by_row else "derived",
        "pyspark.sql:DataFrame",
        "DataFrame",
        params={"calls": list(derived.calls)},
        inputs={f"data_{number}" if number > 1 else "data": item.entity for number, item in enumerate(sources, 1)},
        frames={"": source.entity},
        started_at=now,
        ended_at=now,
    )
    source.event = event
    source.model = sources[0].model
    if len(sources) == 1 and is_row_by_row:
        source.carries = sources[0]
        source.predicted_on = sources[0].predicted_on
    if not is_row_by_row:
        take_over_items(tracker, source, *sources)
    tracker.buffer.add(event)
