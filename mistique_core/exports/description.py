"""What is known about an intermediate: its columns and sizes, and which run, stage and inputs it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, columns_of, find_intermediate
from mistique_core.catalogue.tables import experiment_run, model_version
from mistique_core.errors import NotFoundError, did_you_mean
from mistique_core.frames import LogicalType
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.modeldb.records import StageRecord
from mistique_core.modeldb.stage_records import stage_records
from mistique_core.store import Mistique


@dataclass(frozen=True)
class ColumnDescription:
    """One column.

    Attributes
    ----------
    name
        Its name.
    type
        Its type for people, such as ``float64`` or ``category``.
    map_shape
        Shape of one value; () for a scalar.
    logical_bytes
        Bytes of its values as logged.
    scheme
        The lossy scheme by which it is stored, as a JSON document; ``None`` if its values are exactly those logged.
    max_abs_error
        Bound of the absolute error of any value.
    """

    name: str
    type: str
    map_shape: tuple[int, ...]
    logical_bytes: int
    scheme: Any = None
    max_abs_error: float = 0.0


@dataclass(frozen=True)
class StageOrigin:
    """The stage that made it.

    Attributes
    ----------
    name, operator, label, params, code_hash
        What it ran.
    state
        ``success`` and so on.
    reused_from
        ``project.model@version.stage`` whose outputs it took over; ``None`` if it was executed.
    inputs
        Name of each input -> ``project.model@version.name`` of what it took.
    started_at, ended_at
        Unix seconds, UTC.
    """

    name: str
    operator: str
    label: str
    params: Mapping[str, Any]
    code_hash: str | None
    state: str
    reused_from: str | None
    inputs: Mapping[str, str]
    started_at: float
    ended_at: float | None


@dataclass(frozen=True)
class RunOrigin:
    """The ExperimentRun that made the model version.

    Attributes
    ----------
    source, dag_id, run_id
        Which one.
    state
        ``running``, ``success`` or ``failed``.
    author, code_version
        Who ran it, and the commit of its code; ``None`` where that was not recorded.
    started_at, ended_at
        Unix seconds, UTC.
    """

    source: str
    dag_id: str
    run_id: str
    state: str
    author: str | None
    code_version: str | None
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True)
class Description:
    """An intermediate, or one column of it.

    Attributes
    ----------
    key
        ``project.model@version.intermediate``.
    project, model, version, intermediate
        The parts of it.
    rows
        Number of rows.
    columns
        Its columns, without the row ids.
    address
        Content address of the whole intermediate, in hexadecimal digits.
    logical_bytes, stored_bytes
        Bytes as logged, and bytes that storing it added; of the whole intermediate.
    is_stored
        Whether all columns stay stored; else some are made by a re-run.
    created_at
        Unix seconds, UTC.
    run
        Where its model version comes from.
    stage
        What made it; ``None`` for one that was logged by hand.
    """

    key: str
    project: str
    model: str
    version: int
    intermediate: str
    rows: int
    columns: tuple[ColumnDescription, ...]
    address: str
    logical_bytes: int
    stored_bytes: int
    is_stored: bool
    created_at: float
    run: RunOrigin
    stage: StageOrigin | None = field(default=None)


def describe(store: Mistique, key: str | IntermediateKey) -> Description:
    """Return what is known about an intermediate; no values are read.

    Parameters
    ----------
    store
        Where it is.
    key
        ``project.model[@version].intermediate``, or the key of one column.

    Raises
    ------
    NotFoundError
        If there is no such intermediate or column.
    """
    parsed = IntermediateKey.parse(key)
    with store.catalogue.read() as connection:
        record = find_intermediate(connection, parsed)
        columns = columns_of(connection, record.ref.id)
        run_id, run = _run(connection, record.model_version_id)
        stages = () if record.stage_id is None else stage_records(connection, run_id)
    if parsed.column != ALL_COLUMNS:
        names = [column.name for column in columns]
        if parsed.column not in names:
            remedy = did_you_mean(parsed.column, names)
            raise NotFoundError(f"{parsed.with_column(ALL_COLUMNS)} has no column {parsed.column!r}; {remedy}")
        columns = [column for column in columns if column.name == parsed.column]
    ref = record.ref
    return Description(
        key=f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}",
        project=ref.project,
        model=ref.model,
        version=ref.version,
        intermediate=ref.intermediate,
        rows=ref.rows,
        columns=tuple(_column(column) for column in columns),
        address=record.address.hex(),
        logical_bytes=record.logical_bytes,
        stored_bytes=record.stored_bytes,
        is_stored=record.is_kept,
        created_at=record.created_at,
        run=run,
        stage=next((_stage(stage) for stage in stages if stage.id == record.stage_id), None),
    )


def _column(column: ColumnRecord) -> ColumnDescription:
    kind = LogicalType.from_json(column.logical_type)
    scheme = None if column.scheme is None else json.loads(column.scheme)
    return ColumnDescription(
        column.name, kind.label, kind.map_shape, column.logical_bytes, scheme, column.max_abs_error
    )


def _run(connection: sa.Connection, version_id: int) -> tuple[int, RunOrigin]:
    query = sa.select(experiment_run).join(model_version, model_version.c.run_id == experiment_run.c.id)
    row = connection.execute(query.where(model_version.c.id == version_id)).one()
    origin = RunOrigin(
        row.source, row.dag_id, row.run_id, row.state, row.author, row.code_version, row.started_at, row.ended_at
    )
    return row.id, origin


def _stage(stage: StageRecord) -> StageOrigin:
    return StageOrigin(
        stage.name,
        stage.operator,
        stage.label,
        stage.params,
        stage.code_hash,
        stage.state,
        stage.origin.label if stage.origin else None,
        {taken.name: taken.label for taken in stage.inputs},
        stage.started_at,
        stage.ended_at,
    )
