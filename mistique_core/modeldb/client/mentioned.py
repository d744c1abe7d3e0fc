"""Objects of a script that it names or writes about: which frame, model or specification of the run each is."""

from __future__ import annotations

from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model.event import Entity, FrameEntity
from mistique_core.modeldb.client.data_source import is_spark_frame
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.edit.annotation_records import Fragment
from mistique_core.modeldb.spark.frames import view_of
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.stages import is_estimator, is_stage


def tag_item(tracker: Tracker, item: Any, tag: str) -> Entity | None:
    """Name an object; return its entity, or ``None`` for an estimator that has none yet.

    Raises
    ------
    InvalidInputError
        If the object cannot be recognised later, such as a list.
    """
    if is_spark_frame(item):
        source = view_of(tracker, item).source
        source.tag = source.entity.tag = tag
        return source.entity
    if is_stage(item) or hasattr(item, "get_params") or hasattr(item, "layers"):
        tracker.models.tag(item, tag)
        known = tracker.models.find(item)
        if known is None:
            return None
        known.entity.tag = tag
        return known.entity
    source = tracker.views.view(item).source
    if tracker.views.find(item) is None:
        raise InvalidInputError(f"a {type(item).__name__} cannot be tagged; give a DataFrame, a Series or an array")
    source.tag = source.entity.tag = tag
    return source.entity


def fragment_of(tracker: Tracker, item: Any) -> Fragment:
    """Return an object as what an annotation refers to.

    Raises
    ------
    InvalidInputError
        If it is not recorded.
    """
    with tracker.buffer.lock:
        if is_estimator(item):
            event = tracker.memory(SparkMemory).specifications.get(item)
            found = Fragment(spec_id=None if event is None else event.id)
        else:
            known = tracker.models.find(item)
            view = tracker.views.find(item)
            entity = known.entity if known is not None else None if view is None else view.source.entity
            row = None if entity is None else entity.id
            is_frame = isinstance(entity, FrameEntity)
            found = Fragment(frame_id=row if is_frame else None, model_id=None if is_frame else row)
    if found == Fragment():
        raise InvalidInputError(
            f"a {type(item).__name__} is not recorded in this run, so that nothing can be written about it; "
            "use it in a recorded call first"
        )
    return found
