"""The steps of a fitted pipeline as parts of its event; nothing is fitted again."""

from __future__ import annotations

import sys
from typing import Any

from mistique_core.fitted.facts import hyperparameters_of
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.callable_names import call_path, described
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.tracker import Tracker

_SKIPPED = (None, "passthrough")


def is_pipeline(estimator: Any) -> bool:
    """Return whether an estimator is scikit-learn's pipeline."""
    if "sklearn.pipeline" not in sys.modules:
        return False
    from sklearn.pipeline import Pipeline

    return isinstance(estimator, Pipeline)


def add_pipeline_parts(tracker: Tracker, event: StageEvent, pipeline: Any, data: DataView) -> list[StageEvent]:
    """Return an event for each step of a fitted pipeline, in order: transformations, and the fit of the last step."""
    parts = []
    entity, names = data.source.entity, list(data.columns or ())
    steps = [(name, step) for name, step in pipeline.steps if step not in _SKIPPED]
    for position, (name, step) in enumerate(steps):
        is_fit = hasattr(step, "predict")
        facts = tracker.facts_of(step, feature_names=names or None)
        part = StageEvent(
            StageKind.FIT if is_fit else StageKind.TRANSFORM,
            name,
            call_path(type(step), "fit" if is_fit else "fit_transform"),
            type(step).__name__,
            params=described(step),
            inputs={"data": entity},
            fitted={"model" if is_fit else "transformer": TransformerEntity(facts)},
            hyperparameters=hyperparameters_of(step),
            facts={"position": position},
            parent=event,
            started_at=event.started_at,
            ended_at=event.ended_at,
        )
        tracker.models.remember(step, KnownModel(part.fitted["model" if is_fit else "transformer"], part))
        if position < len(steps) - 1:
            names = _names_after(step, names)
            columns = tuple((column, "") for column in names) if names else None
            entity = FrameEntity(data.source.rows, columns)
            part.frames = {"": entity}
        parts.append(part)
    return parts


def _names_after(step: Any, names: list[str]) -> list[str]:
    """Return the columns that a step makes; none where it does not say."""
    try:
        return [str(name) for name in step.get_feature_names_out(names or None)]
    except (AttributeError, TypeError, ValueError):
        return []
