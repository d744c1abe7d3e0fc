"""Read data frames, transformers and events by id. A fixed number of SQL queries for any number of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.data_frames import read_schema
from mistique_core.catalogue.layouts import read_layout
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    fit_facts,
    frame_schema,
    hyperparameter,
    stage_input,
    transformer,
    value_name,
)
from mistique_core.catalogue.tables import experiment_run, intermediate, layout, model_version, stage
from mistique_core.errors import NotFoundError
from mistique_core.modeldb.entity_records import EventRecord, FrameRecord, ModelRecord, SpecRecord

_BATCH = 5000
_REMEDIES = {
    "run": "search() finds runs",
    "model": "browse.run() lists the models of a run",
    "data frame": "browse.run() lists the data frames of a run",
    "specification": "browse.run() lists the events of a run; those that fit are specifications",
    "project": "browse.projects() lists projects",
    "experiment": "browse.runs_and_experiments() lists the experiments of a project",
}


def not_found(what: str, row: object) -> NotFoundError:
    """Return the error that there is no such row."""
    return NotFoundError(f"{what} {row!r} does not exist; {_REMEDIES[what]}")


def one_frame(connection: sa.Connection, frame_id: int) -> FrameRecord:
    """Return a data frame; NotFoundError if there is none."""
    for found in read_frames(connection, data_frame.c.id, [frame_id]):
        return found
    raise not_found("data frame", frame_id)


def one_model(connection: sa.Connection, model_id: int) -> ModelRecord:
    """Return a transformer; NotFoundError if there is none."""
    for found in read_models(connection, transformer.c.id, [model_id]):
        return found
    raise not_found("model", model_id)


def check_run(connection: sa.Connection, run_id: int) -> None:
    """Raise NotFoundError if there is no such run."""
    if connection.scalar(sa.select(experiment_run.c.id).where(experiment_run.c.id == run_id)) is None:
        raise not_found("run", run_id)


def select_batches(
    connection: sa.Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], values: Iterable[Any]
) -> Iterator[sa.Row[Any]]:
    """Yield the rows of a query whose `column` is one of the values, in their order within each of few statements."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), _BATCH):
        yield from connection.execute(query.where(column.in_(ordered[start : start + _BATCH])))


def read_frames(
    connection: sa.Connection, column: sa.ColumnElement[Any], values: Collection[int]
) -> Iterator[FrameRecord]:
    """Yield the data frames whose `column`, of ``data_frame``, is one of the values, by id."""
    query = (
        sa.select(
            data_frame,
            frame_schema.c.document,
            intermediate.c.name.label("intermediate"),
            intermediate.c.address,
            layout.c.names,
        )
        .select_from(
            data_frame.outerjoin(frame_schema, frame_schema.c.id == data_frame.c.schema_id)
            .outerjoin(intermediate, intermediate.c.id == data_frame.c.intermediate_id)
            .outerjoin(layout, layout.c.id == intermediate.c.layout_id)
        )
        .order_by(data_frame.c.id)
    )
    # Many frames share few schemas.
    schemas: dict[bytes, tuple[tuple[str, str], ...]] = {}
    for row in select_batches(connection, query, column, values):
        document, names = row.document, row.names
        columns = None
        if document is not None:
            columns = schemas.get(document) or schemas.setdefault(document, read_schema(bytes(document)))
        elif names is not None:
            columns = schemas.get(names) or schemas.setdefault(
                names, tuple((name, "") for name in read_layout(bytes(names)).names)
            )
        yield FrameRecord(
            row.id,
            row.run_id,
            row.stage_id,
            row.output,
            row.rows,
            columns,
            row.tag or "",
            row.filepath or "",
            row.metadata or {},
            row.intermediate,
            None if row.address is None else bytes(row.address).hex(),
        )


def read_models(
    connection: sa.Connection, column: sa.ColumnElement[Any], values: Collection[Any]
) -> Iterator[ModelRecord]:
    """Yield the transformers whose `column`, of ``transformer``, is one of the values, by id."""
    query = (
        sa.select(transformer, fit_facts.c.problem_type)
        .outerjoin(fit_facts, fit_facts.c.id == transformer.c.facts_id)
        .order_by(transformer.c.id)
    )
    for row in select_batches(connection, query, column, values):
        yield ModelRecord(
            row.id,
            row.run_id,
            row.stage_id,
            row.output,
            row.type_name,
            row.problem_type or "undefined",
            row.facts_id,
            row.tag or "",
            row.filepath or "",
            row.metadata or {},
            row.fitted_id is not None,
        )


def read_events(connection: sa.Connection, run_ids: Collection[int]) -> list[EventRecord]:
    """Return every event of some runs, in the order in which they started."""
    of_runs = sa.select(stage, model_version.c.run_id).join(
        model_version, model_version.c.id == stage.c.model_version_id
    )
    rows = list(select_batches(connection, of_runs, model_version.c.run_id, run_ids))
    rows.sort(key=lambda row: (row.started_at, row.id))
    last: dict[tuple[int, str, int], sa.Row[Any]] = {}
    for row in rows:
        key = (row.model_version_id, row.name, row.map_index)
        if key not in last or last[key].try_number <= row.try_number:
            last[key] = row
    lasts = {row.id for row in last.values()}
    frame_inputs: dict[int, list[tuple[str, int]]] = defaultdict(list)
    model_inputs: dict[int, list[tuple[str, int]]] = defaultdict(list)
    taken = (
        sa.select(stage_input)
        .join(stage, stage.c.id == stage_input.c.stage_id)
        .join(model_version, model_version.c.id == stage.c.model_version_id)
        .order_by(stage_input.c.stage_id, stage_input.c.name)
    )
    for row in select_batches(connection, taken, model_version.c.run_id, run_ids):
        if row.data_frame_id is not None:
            frame_inputs[row.stage_id].append((row.name, row.data_frame_id))
        if row.transformer_id is not None:
            model_inputs[row.stage_id].append((row.name, row.transformer_id))
    frames, fitted = (_made(connection, table, run_ids) for table in (data_frame, transformer))
    return [
        EventRecord(
            row.id,
            row.run_id,
            row.kind or "other",
            row.name,
            row.label,
            row.operator,
            row.params,
            row.facts or {},
            row.parent_id,
            row.tag or "",
            row.state,
            row.id in lasts,
            row.started_at,
            row.ended_at,
            tuple(frame_inputs[row.id]),
            tuple(model_inputs[row.id]),
            tuple(frames[row.id]),
            tuple(fitted[row.id]),
        )
        for row in rows
    ]


def _made(connection: sa.Connection, table: sa.Table, run_ids: Collection[int]) -> dict[int, list[int]]:
    query = sa.select(table.c.stage_id, table.c.id).where(table.c.stage_id.is_not(None)).order_by(table.c.id)
    found: dict[int, list[int]] = defaultdict(list)
    for row in select_batches(connection, query, table.c.run_id, run_ids):
        found[row.stage_id].append(row.id)
    return found


def read_specs(connection: sa.Connection, stage_ids: Collection[int]) -> dict[int, SpecRecord]:
    """Return stage -> the specification that it fitted."""
    values: dict[int, dict[str, Any]] = defaultdict(dict)
    named = sa.select(hyperparameter.c.stage_id, value_name.c.name, hyperparameter.c.value).join(
        value_name, value_name.c.id == hyperparameter.c.name_id
    )
    for row in select_batches(connection, named, hyperparameter.c.stage_id, stage_ids):
        values[row.stage_id][row.name] = row.value
    query = sa.select(stage.c.id, stage.c.label, stage.c.tag, model_version.c.run_id).join(
        model_version, model_version.c.id == stage.c.model_version_id
    )
    return {
        row.id: SpecRecord(row.id, row.run_id, row.label, dict(sorted(values[row.id].items())), row.tag or "")
        for row in select_batches(connection, query, stage.c.id, stage_ids)
    }
