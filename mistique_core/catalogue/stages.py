"""Stages: what ran, on what, how long, and with which outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.data_frames import add_stored_frame, frames_of
from mistique_core.catalogue.driver_statements import (
    find_largest,
    insert_ignore,
    insert_new,
    insert_returning_ids,
    select_rows,
    update_row,
)
from mistique_core.catalogue.entities import FAILED, RUNNING, SKIPPED, SUCCESS, lock_version
from mistique_core.catalogue.modeldb_tables import data_frame, stage_input
from mistique_core.catalogue.tables import fitted, intermediate, model, model_version, project, stage
from mistique_core.catalogue.transformers import (
    WEIGHTS_FORMAT,
    MadeTransformer,
    add_transformers,
    take_over_transformers,
    transformers_of,
)
from mistique_core.catalogue.values import StageOwner, copy_values, save_values, supersede
from mistique_core.errors import ConflictError, NotFoundError
from mistique_core.model import FitFacts, FittedRef, IntermediateRef, Need, Ref, StageKind, TransformerEntity


@dataclass(frozen=True)
class StageSeconds:
    """Measured seconds of one stage (the terms of thesis Eq. 5.2, and the storing).

    Attributes
    ----------
    load
        Loading its input frames.
    transformer
        Loading its fitted inputs.
    execute
        Executing it.
    store
        Hashing, encoding and writing its outputs.
    call
        What executing it costs however few rows it makes; ``None`` where that was not measured.
    """

    load: float
    transformer: float
    execute: float
    store: float
    call: float | None = None


def begin_stage(
    connection: sa.Connection,
    *,
    model_version_id: int,
    name: str,
    task_id: str | None,
    map_index: int,
    operator: str,
    label: str,
    params: Mapping[str, Any],
    code_hash: str | None,
    libraries: Mapping[str, str],
    inputs: Mapping[str, Ref],
    kind: StageKind = StageKind.TRANSFORM,
    parent_id: int | None = None,
    started_at: float | None = None,
) -> int:
    """Record that a stage runs; a try that was still marked as running was killed and now failed.

    `parent_id` is the stage that it is a part of: its values then do not count as the run's own. `started_at`, in Unix
    seconds, is when it began, if that was not just now.
    """
    same = {"model_version_id": model_version_id, "name": name, "map_index": map_index}
    lock_version(connection, model_version_id)
    last = find_largest(connection, stage, "try_number", same)
    if last:
        connection.execute(
            sa.update(stage)
            .where(*(stage.c[column] == value for column, value in same.items()), stage.c.state == RUNNING)
            .values(state=FAILED, error="the task was killed or lost before it ended", ended_at=time.time())
        )
    row = {
        **same,
        "task_id": task_id,
        "try_number": last + 1,
        "operator": operator,
        "label": label,
        "params": dict(params),
        "code_hash": code_hash,
        "libraries": dict(libraries),
        "deterministic": True,
        "state": RUNNING,
        "started_at": time.time() if started_at is None else started_at,
        "kind": kind.value,
        "parent_id": parent_id,
    }
    stage_id = insert_new(connection, stage, row)
    if stage_id is None:
        raise ConflictError(f"another task has begun try {last + 1} of stage {name!r}; try again")
    frames = frames_of(connection, [ref.id for ref in inputs.values() if isinstance(ref, IntermediateRef)])
    models = transformers_of(connection, [ref.id for ref in inputs.values() if isinstance(ref, FittedRef)])
    insert_ignore(
        connection,
        stage_input,
        [
            {
                "stage_id": stage_id,
                "name": input_name,
                "intermediate_id": ref.id if isinstance(ref, IntermediateRef) else None,
                "fitted_id": ref.id if isinstance(ref, FittedRef) else None,
                "data_frame_id": frames.get(ref.id) if isinstance(ref, IntermediateRef) else None,
                "transformer_id": models.get(ref.id) if isinstance(ref, FittedRef) else None,
            }
            for input_name, ref in inputs.items()
        ],
    )
    return stage_id


def finish_stage(
    connection: sa.Connection,
    stage_id: int,
    seconds: StageSeconds,
    *,
    fingerprint: str | None,
    deterministic: bool,
    hyperparameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    metrics_intermediate: int | None,
    needs: Mapping[str, Mapping[str, Need]],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Record a stage's success; called in the transaction that registers its outputs."""
    values = {
        "state": SUCCESS,
        "error": None,
        "fingerprint": fingerprint,
        "deterministic": deterministic,
        "ended_at": time.time(),
        "load_seconds": seconds.load,
        "transformer_seconds": seconds.transformer,
        "exec_seconds": seconds.execute,
        "store_seconds": seconds.store,
        "call_seconds": seconds.call,
        "needs": _needs_document(needs),
        "facts": dict(facts) if facts else None,
    }
    update_row(connection, stage, stage_id, values)
    data, transformer_id = _measured(connection, metrics_intermediate) if metrics else (None, None)
    save_values(
        connection,
        _owner(connection, stage_id),
        hyperparameters=hyperparameters,
        metrics=metrics,
        data_frame_id=data,
        transformer_id=transformer_id,
    )
    supersede(connection, stage_id)


_OWNER = (
    sa.select(model_version.c.run_id, stage.c.parent_id)
    .join(stage, stage.c.model_version_id == model_version.c.id)
    .where(stage.c.id == sa.bindparam("stage"))
)


def _owner(connection: sa.Connection, stage_id: int) -> StageOwner:
    ((run_id, parent_id),) = select_rows(connection, _OWNER, {"stage": stage_id})
    return StageOwner(run_id, stage_id, parent_id is None)


def run_of_stage(connection: sa.Connection, stage_id: int) -> int:
    """Return the id of the run that a stage belongs to."""
    return _owner(connection, stage_id).run_id


def _measured(connection: sa.Connection, intermediate_id: int | None) -> tuple[int | None, int | None]:
    """Return the data and the model that metrics are about: where they are of predictions, what these came from."""
    if intermediate_id is None:
        return None, None
    about = frames_of(connection, [intermediate_id]).get(intermediate_id)
    query = (
        sa.select(stage_input.c.data_frame_id, stage_input.c.transformer_id)
        .join(data_frame, data_frame.c.stage_id == stage_input.c.stage_id)
        .join(stage, stage.c.id == data_frame.c.stage_id)
        .where(data_frame.c.id == about, stage.c.kind == StageKind.PREDICT.value)
    )
    taken = connection.execute(query).all()
    data = next((row.data_frame_id for row in taken if row.data_frame_id is not None), about)
    return data, next((row.transformer_id for row in taken if row.transformer_id is not None), None)


def _needs_document(needs: Mapping[str, Mapping[str, Need]]) -> dict[str, dict[str, str]]:
    return {output: {name: need.value for name, need in of.items()} for output, of in needs.items()}


def fail_stage(connection: sa.Connection, stage_id: int, error: str, *, skipped: bool = False) -> None:
    """Record that a stage failed or, if `skipped`, that it decided to do nothing, and why."""
    state = SKIPPED if skipped else FAILED
    connection.execute(
        sa.update(stage).where(stage.c.id == stage_id).values(state=state, error=error, ended_at=time.time())
    )


_REUSABLE = (
    sa.select(stage.c.id)
    .where(stage.c.fingerprint == sa.bindparam("wanted"), stage.c.state == SUCCESS)
    .order_by(stage.c.reused_from.is_(None).desc(), stage.c.id.desc())
    .limit(1)
)


def find_reusable(connection: sa.Connection, fingerprint: str) -> int | None:
    """Return the stage whose outputs a stage of the same fingerprint can take over, or ``None``."""
    rows = select_rows(connection, _REUSABLE, {"wanted": fingerprint})
    return int(rows[0][0]) if rows else None


def find_finished(connection: sa.Connection, model_version_id: int, name: str, fingerprint: str) -> int | None:
    """Return the stage that made the outputs of a name and fingerprint for a model version, or ``None``."""
    return connection.scalar(
        sa.select(stage.c.id)
        .where(
            stage.c.model_version_id == model_version_id,
            stage.c.name == name,
            stage.c.fingerprint == fingerprint,
            stage.c.state == SUCCESS,
        )
        .order_by(stage.c.id.desc())
        .limit(1)
    )


def take_over_outputs(
    connection: sa.Connection,
    source: int,
    stage_id: int,
    model_version_id: int,
    name: str,
    *,
    needs: Mapping[str, Mapping[str, Need]] | None = None,
    ended_at: float | None = None,
) -> None:
    """Register the outputs of stage `source` for stage `stage_id` too; no bytes are touched.

    What the source has learned is taken over as well, unless `needs` says that the stage has a shape of its own: then
    its fitted objects are left to the caller, and `needs` is what its outputs need of its own inputs.

    The measured seconds are taken over as well: they are what a re-run of the stage would cost. `ended_at`, in Unix
    seconds, is when it was decided to take them over, if that was not just now.
    """
    now = time.time()
    origin = connection.execute(sa.select(stage).where(stage.c.id == source)).one()
    connection.execute(
        sa.update(stage)
        .where(stage.c.id == stage_id)
        .values(
            state=SUCCESS,
            fingerprint=origin.fingerprint,
            ended_at=now if ended_at is None else ended_at,
            reused_from=origin.reused_from or source,
            load_seconds=origin.load_seconds,
            transformer_seconds=origin.transformer_seconds,
            exec_seconds=origin.exec_seconds,
            store_seconds=0.0,
            call_seconds=origin.call_seconds,
            needs=origin.needs if needs is None else _needs_document(needs),
            facts=origin.facts,
        )
    )
    for row in connection.execute(sa.select(intermediate).where(intermediate.c.stage_id == source)).all():
        _copy_intermediate(connection, row, stage_id, model_version_id, output_name(name, row.output), now)
    learned = sa.select(fitted).where(fitted.c.stage_id == source)
    for row in connection.execute(learned).all() if needs is None else ():
        values = {**row._mapping, "stage_id": stage_id, "model_version_id": model_version_id, "created_at": now}
        values.pop("id")
        connection.execute(sa.insert(fitted).values(**values))
    owner = _owner(connection, stage_id)
    if needs is None:
        take_over_transformers(connection, source, stage_id, owner.run_id)
    copy_values(connection, source, owner, _measured_here(connection, stage_id))
    supersede(connection, stage_id)


def _measured_here(connection: sa.Connection, stage_id: int) -> tuple[int | None, int | None]:
    """Return the data and the model that the metrics of a stage which takes one frame are about."""
    query = sa.select(stage_input.c.intermediate_id).where(
        stage_input.c.stage_id == stage_id, stage_input.c.intermediate_id.is_not(None)
    )
    taken = connection.scalars(query).all()
    return _measured(connection, taken[0]) if len(taken) == 1 else (None, None)


def output_name(stage_name: str, output: str) -> str:
    """Return the intermediate's name of a stage's output; the only output takes the stage's name."""
    return f"{stage_name}_{output}" if output else stage_name


def _copy_intermediate(
    connection: sa.Connection, row: sa.Row[Any], stage_id: int, model_version_id: int, name: str, now: float
) -> None:
    lock_version(connection, model_version_id)
    last = connection.scalar(
        sa.select(sa.func.max(intermediate.c.attempt)).where(
            intermediate.c.model_version_id == model_version_id, intermediate.c.name == name
        )
    )
    values = {
        **row._mapping,
        "model_version_id": model_version_id,
        "stage_id": stage_id,
        "name": name,
        "attempt": (last or 0) + 1,
        "stored_bytes": 0,
        "created_at": now,
        "rerun_equal": None,  # what a run hands over is under no budget until the policy of this run decides
    }
    values.pop("id")
    inserted = connection.execute(sa.insert(intermediate).values(**values))
    assert inserted.inserted_primary_key is not None
    add_stored_frame(
        connection,
        intermediate_id=int(inserted.inserted_primary_key[0]),
        model_version_id=model_version_id,
        stage_id=stage_id,
        output=row.output,
        rows=row.n_rows,
    )


@dataclass(frozen=True)
class FittedRecord:
    """A stored fitted object: its reference, format and chunk.

    Attributes
    ----------
    ref
        Its reference.
    format
        Codec that wrote it.
    chunk_id
        The chunk that holds its bytes (uint8).
    """

    ref: FittedRef
    format: str
    chunk_id: int


_FITTED = sa.select(
    project.c.name,
    model.c.name,
    model_version.c.number,
    fitted.c.output,
    fitted.c.type_name,
    fitted.c.id,
    fitted.c.format,
    fitted.c.chunk_id,
).select_from(
    fitted.join(model_version, model_version.c.id == fitted.c.model_version_id)
    .join(model, model.c.id == model_version.c.model_id)
    .join(project, project.c.id == model.c.project_id)
)
_FITTED_BY_ID = _FITTED.where(fitted.c.id == sa.bindparam("wanted"))
_FITTED_OF_STAGE = _FITTED.where(fitted.c.stage_id == sa.bindparam("stage"))


def _fitted_record(row: Sequence[Any]) -> FittedRecord:
    *ref, format_name, chunk_id = row
    return FittedRecord(FittedRef(*ref), format_name, chunk_id)


def fitted_by_id(connection: sa.Connection, fitted_id: int) -> FittedRecord:
    """Return one fitted object; raises :class:`NotFoundError` if there is none."""
    rows = select_rows(connection, _FITTED_BY_ID, {"wanted": fitted_id})
    if not rows:
        raise NotFoundError(f"fitted object {fitted_id} is not in the catalogue; it may have been deleted")
    return _fitted_record(rows[0])


def fitted_of_stage(connection: sa.Connection, stage_id: int) -> list[FittedRecord]:
    """Return the fitted objects that a stage learned."""
    return [_fitted_record(row) for row in select_rows(connection, _FITTED_OF_STAGE, {"stage": stage_id})]


def register_fitted(
    connection: sa.Connection,
    *,
    model_version_id: int,
    stage_id: int,
    output: str,
    format_name: str,
    type_name: str,
    size: int,
    chunk_id: int,
    facts: FitFacts | None = None,
) -> int:
    """Insert a fitted object, and the transformer that it is, with what is known about it; return its id."""
    row = {
        "model_version_id": model_version_id,
        "stage_id": stage_id,
        "output": output,
        "format": format_name,
        "type_name": type_name,
        "bytes": size,
        "chunk_id": chunk_id,
        "created_at": time.time(),
    }
    (fitted_id,) = insert_returning_ids(connection, fitted, [row])
    if format_name != WEIGHTS_FORMAT:
        entity = TransformerEntity(facts or FitFacts(type_name.rpartition(".")[2]))
        run_id = run_of_stage(connection, stage_id)
        add_transformers(connection, run_id, [MadeTransformer(entity, stage_id, output, fitted_id)])
    return fitted_id
