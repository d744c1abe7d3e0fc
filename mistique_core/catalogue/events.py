"""Record events of ModelDB that no stage runner executed: what a client traced, a file told, or was imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.data_frames import MadeFrame, add_frames
from mistique_core.catalogue.driver_statements import insert_ignore, insert_returning_ids
from mistique_core.catalogue.entities import FAILED, SUCCESS
from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, stage_input
from mistique_core.catalogue.tables import stage
from mistique_core.catalogue.transformers import MadeTransformer, add_transformers
from mistique_core.catalogue.values import StageOwner, hyperparameter_rows, metric_rows, name_ids
from mistique_core.errors import InvalidInputError
from mistique_core.model.event import Entity, FrameEntity, StageEvent


def record_events(connection: sa.Connection, run_id: int, model_version_id: int, events: Sequence[StageEvent]) -> None:
    """Insert events as stages, with what they took and made; they and their entities get ids.

    Parameters
    ----------
    connection
        A write connection.
    run_id, model_version_id
        What they belong to.
    events
        In the order in which they happened; an event comes before its parts. Their names are not taken yet.

    Raises
    ------
    InvalidInputError
        If an event comes before the one that it is a part of.
    """
    _insert_stages(connection, model_version_id, events)
    _insert_entities(connection, run_id, events)
    numbers = name_ids(connection, (name for event in events for name in (*event.hyperparameters, *event.metrics)))
    inputs: list[dict[str, Any]] = []
    settings: list[dict[str, Any]] = []
    measured: list[dict[str, Any]] = []
    for event in events:
        assert event.id is not None
        inputs += [_input_row(event.id, name, entity) for name, entity in event.inputs.items()]
        owner = StageOwner(run_id, event.id, event.parent is None)
        settings += hyperparameter_rows(owner, event.hyperparameters, numbers)
        measured += metric_rows(
            owner,
            event.metrics,
            numbers,
            data_frame_id=None if event.metrics_on is None else event.metrics_on.id,
            transformer_id=None if event.metrics_of is None else event.metrics_of.id,
        )
    insert_ignore(connection, stage_input, inputs)
    insert_ignore(connection, hyperparameter, settings)
    insert_ignore(connection, metric, measured)


def _insert_stages(connection: sa.Connection, model_version_id: int, events: Sequence[StageEvent]) -> None:
    """Insert the stages, as many with one statement as do not wait for the id of one that they are a part of."""
    waiting: list[StageEvent] = []

    def insert() -> None:
        rows = [_stage_row(model_version_id, event) for event in waiting]
        for event, row in zip(waiting, insert_returning_ids(connection, stage, rows), strict=True):
            event.id = row
        waiting.clear()

    for event in events:
        if event.parent is not None and event.parent.id is None:
            insert()
            if event.parent.id is None:
                raise InvalidInputError(
                    f"event {event.name!r} is a part of {event.parent.name!r}, which is not recorded; record that "
                    "before it"
                )
        waiting.append(event)
    insert()


def _stage_row(model_version_id: int, event: StageEvent) -> dict[str, Any]:
    return {
        "model_version_id": model_version_id,
        "name": event.name,
        "map_index": -1,
        "try_number": 1,
        "operator": event.operator[:250],
        "label": event.label[:100],
        "params": dict(event.params),
        "code_hash": event.code_hash,
        "libraries": dict(event.libraries),
        "deterministic": True,
        "state": SUCCESS if event.error is None else FAILED,
        "started_at": event.started_at,
        "ended_at": event.ended_at,
        "exec_seconds": event.ended_at - event.started_at,
        "error": event.error,
        "kind": event.kind.value,
        "parent_id": None if event.parent is None else event.parent.id,
        "facts": dict(event.facts) or None,
        "tag": event.tag or None,
    }


def _insert_entities(connection: sa.Connection, run_id: int, events: Sequence[StageEvent]) -> None:
    """Insert the data frames and transformers that are not recorded yet: those that events made as theirs."""
    frames: dict[int, MadeFrame] = {}
    models: dict[int, MadeTransformer] = {}
    for event in events:
        for output, frame in event.frames.items():
            frames.setdefault(id(frame), MadeFrame(frame, event.id, output))
        for output, model in event.fitted.items():
            models.setdefault(id(model), MadeTransformer(model, event.id, output))
    for event in events:
        for entity in (*event.inputs.values(), event.metrics_on, event.metrics_of):
            if isinstance(entity, FrameEntity):
                frames.setdefault(id(entity), MadeFrame(entity))
            elif entity is not None:
                models.setdefault(id(entity), MadeTransformer(entity))
    add_frames(connection, run_id, [item for item in frames.values() if item.entity.id is None])
    add_transformers(connection, run_id, [item for item in models.values() if item.entity.id is None])


def _input_row(stage_id: int, name: str, entity: Entity) -> dict[str, Any]:
    is_frame = isinstance(entity, FrameEntity)
    return {
        "stage_id": stage_id,
        "name": name[:200],
        "data_frame_id": entity.id if is_frame else None,
        "transformer_id": None if is_frame else entity.id,
    }
