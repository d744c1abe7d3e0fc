"""The models and transformers of a run as entities of ModelDB."""

from __future__ import annotations

from typing import Any

from mistique_core.model.event import TransformerEntity
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.model_facts import model_facts
from mistique_core.modeldb.spark.stages import inner_model


def model_of(tracker: Tracker, model: Any) -> TransformerEntity:
    """Return the entity of a model; one that was fitted elsewhere is looked at now."""
    known = tracker.models.find(model)
    if known is None:
        known = KnownModel(TransformerEntity(model_facts(model), tracker.models.tag_of(model)))
        remember_model(tracker, model, known)
    return known.entity


def remember_model(tracker: Tracker, model: Any, known: KnownModel) -> None:
    """Remember what a model is; the best model of a search is what the search is."""
    tracker.models.remember(model, known)
    best = getattr(model, "bestModel", None)
    if best is not None:
        tracker.models.remember(best, known)
        inner = inner_model(best)
        if tracker.models.find(inner) is None:
            tracker.models.remember(inner, known)
