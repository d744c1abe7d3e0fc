"""Record events of ModelDB that no stage runner executed: what a client traced, a file told, or was imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.data_frames import add_frame
from mistique_core.catalogue.database import insert_ignore
from mistique_core.catalogue.entities import FAILED, SUCCESS
from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, stage_input
from mistique_core.catalogue.tables import stage
from mistique_core.catalogue.transformers import add_transformer
from mistique_core.catalogue.values import StageOwner, hyperparameter_rows, metric_rows, name_ids
from mistique_core.errors import InvalidInputError
from mistique_core.model.event import Entity, FrameEntity, StageEvent, TransformerEntity


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
    numbers = name_ids(connection, (name for event in events for name in (*event.hyperparameters, *event.metrics)))
    settings: list[dict[str, Any]] = []
    measured: list[dict[str, Any]] = []
    for event in events:
        stage_id = event.id = _insert(connection, model_version_id, event)
        _add_inputs(connection, run_id, stage_id, event)
        for output, frame in event.frames.items():
            _frame_id(connection, run_id, frame, stage_id, output)
        for output, model in event.fitted.items():
            _transformer_id(connection, run_id, model, stage_id, output)
        owner = StageOwner(run_id, stage_id, event.parent is None)
        settings += hyperparameter_rows(owner, event.hyperparameters, numbers)
        measured += metric_rows(
            owner,
            event.metrics,
            numbers,
            data_frame_id=None if event.metrics_on is None else _frame_id(connection, run_id, event.metrics_on),
            transformer_id=None if event.metrics_of is None else _transformer_id(connection, run_id, event.metrics_of),
        )
    insert_ignore(connection, hyperparameter, settings)
    insert_ignore(connection, metric, measured)


def _insert(connection: sa.Connection, model_version_id: int, event: StageEvent) -> int:
    if event.parent is not None and event.parent.id is None:
        raise InvalidInputError(
            f"event {event.name!r} is a part of {event.parent.name!r}, which is not recorded; record that before it"
        )
    inserted = connection.execute(
        sa.insert(stage).values(
            model_version_id=model_version_id,
            name=event.name,
            map_index=-1,
            try_number=1,
            operator=event.operator[:250],
            label=event.label[:100],
            params=dict(event.params),
            code_hash=event.code_hash,
            libraries=dict(event.libraries),
            deterministic=True,
            state=SUCCESS if event.error is None else FAILED,
            started_at=event.started_at,
            ended_at=event.ended_at,
            exec_seconds=event.ended_at - event.started_at,
            error=event.error,
            kind=event.kind.value,
            parent_id=None if event.parent is None else event.parent.id,
            facts=dict(event.facts) or None,
            tag=event.tag or None,
        )
    )
    assert inserted.inserted_primary_key is not None
    return int(inserted.inserted_primary_key[0])


def _add_inputs(connection: sa.Connection, run_id: int, stage_id: int, event: StageEvent) -> None:
    rows = []
    for name, entity in event.inputs.items():
        frame, model = _ids(connection, run_id, entity)
        rows.append({"stage_id": stage_id, "name": name[:200], "data_frame_id": frame, "transformer_id": model})
    insert_ignore(connection, stage_input, rows)


def _ids(connection: sa.Connection, run_id: int, entity: Entity) -> tuple[int | None, int | None]:
    if isinstance(entity, FrameEntity):
        return _frame_id(connection, run_id, entity), None
    return None, _transformer_id(connection, run_id, entity)


def _frame_id(
    connection: sa.Connection, run_id: int, entity: FrameEntity, stage_id: int | None = None, output: str = ""
) -> int:
    if entity.id is None:
        return add_frame(connection, run_id, entity, stage_id=stage_id, output=output)
    return entity.id


def _transformer_id(
    connection: sa.Connection, run_id: int, entity: TransformerEntity, stage_id: int | None = None, output: str = ""
) -> int:
    if entity.id is None:
        return add_transformer(connection, run_id, entity, stage_id=stage_id, output=output)
    return entity.id
