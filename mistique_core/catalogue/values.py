"""Hyperparameters, metrics and histories of stages: values by name, with the run that they belong to."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.driver_statements import find_ids, find_row, insert_ignore, select_rows
from mistique_core.catalogue.modeldb_tables import history, hyperparameter, metric, value_name
from mistique_core.catalogue.tables import stage

_LONGEST = 200


@dataclass(frozen=True)
class StageOwner:
    """The stage that values belong to.

    Attributes
    ----------
    run_id, stage_id
        Rows of the run and of the stage.
    is_own
        Whether its values count as the run's own: not those of a part of an event.
    """

    run_id: int
    stage_id: int
    is_own: bool = True


def name_ids(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of names, adding those that are new; longer ones are cut after 200 characters."""
    wanted = sorted({name[:_LONGEST] for name in names})
    found = find_ids(connection, value_name, "name", wanted)
    new = [name for name in wanted if name not in found]
    if new:
        insert_ignore(connection, value_name, [{"name": name} for name in new])
        found |= find_ids(connection, value_name, "name", new)
    return found


def searchable(value: Any) -> dict[str, Any]:
    """Return the kind of a JSON value and what it is searched by.

    Returns
    -------
    dict
        ``kind`` (``bool``, ``int``, ``double``, ``string`` or ``json``), ``number`` (``None`` for texts and JSON) and
        ``text``, of at most 200 characters (``None`` for JSON).
    """
    if isinstance(value, bool):
        return {"kind": "bool", "number": float(value), "text": str(value).lower()}
    if isinstance(value, int):
        return {"kind": "int", "number": _as_float(value), "text": str(value)[:_LONGEST]}
    if isinstance(value, float):
        return {"kind": "double", "number": value, "text": repr(value)}
    if isinstance(value, str):
        # A text column holds neither half a character nor, on PostgreSQL, the character 0; the value itself is JSON.
        text = value[:_LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")
        return {"kind": "string", "number": None, "text": text}
    return {"kind": "json", "number": None, "text": None}


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def hyperparameter_rows(
    owner: StageOwner, values: Mapping[str, Any], numbers: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the rows of a stage's hyperparameters; `numbers` are those of :func:`name_ids`."""
    return [
        {
            "run_id": owner.run_id,
            "name_id": numbers[name[:_LONGEST]],
            "stage_id": owner.stage_id,
            "value": value,
            "is_own": owner.is_own,
            **searchable(value),
        }
        for name, value in values.items()
    ]


def metric_rows(
    owner: StageOwner,
    values: Mapping[str, float],
    numbers: Mapping[str, int],
    *,
    data_frame_id: int | None,
    transformer_id: int | None,
) -> list[dict[str, Any]]:
    """Return the rows of a stage's metrics, with the data and the model that were measured; NaN has no row."""
    return [
        {
            "run_id": owner.run_id,
            "name_id": numbers[name[:_LONGEST]],
            "stage_id": owner.stage_id,
            "value": float(value),
            "data_frame_id": data_frame_id,
            "transformer_id": transformer_id,
            "is_own": owner.is_own,
        }
        for name, value in values.items()
        if not math.isnan(value)
    ]


def history_rows(
    stage_id: int, values: Mapping[str, Iterable[float] | Mapping[int, float]], numbers: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the rows of a stage's curves, one a step, from 0 where the steps are not given; NaN has no row."""
    return [
        {"stage_id": stage_id, "name_id": numbers[name[:_LONGEST]], "step": step, "value": float(value)}
        for name, curve in values.items()
        for step, value in (curve.items() if isinstance(curve, Mapping) else enumerate(curve))
        if not math.isnan(value)
    ]


def save_values(
    connection: sa.Connection,
    owner: StageOwner,
    *,
    hyperparameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    data_frame_id: int | None = None,
    transformer_id: int | None = None,
) -> None:
    """Insert a stage's hyperparameters and metrics, those that it has not."""
    numbers = name_ids(connection, [*hyperparameters, *metrics])
    insert_ignore(connection, hyperparameter, hyperparameter_rows(owner, hyperparameters, numbers))
    measured = metric_rows(owner, metrics, numbers, data_frame_id=data_frame_id, transformer_id=transformer_id)
    insert_ignore(connection, metric, measured)


def supersede(connection: sa.Connection, stage_id: int) -> None:
    """Let the values of earlier tries of a stage, which has succeeded, no longer count as the run's own."""
    tries = find_row(connection, stage, {"id": stage_id}, ("try_number",))
    if tries is None or tries[0] == 1:
        return
    this = sa.select(stage).where(stage.c.id == stage_id).subquery()
    earlier = sa.select(stage.c.id).where(
        stage.c.model_version_id == this.c.model_version_id,
        stage.c.name == this.c.name,
        stage.c.map_index == this.c.map_index,
        stage.c.try_number < this.c.try_number,
    )
    for table in (hyperparameter, metric):
        connection.execute(
            sa.update(table).where(table.c.stage_id.in_(earlier), table.c.is_own).values(is_own=sa.false())
        )


def copy_values(
    connection: sa.Connection, source: int, owner: StageOwner, measured: tuple[int | None, int | None]
) -> None:
    """Give the values of stage `source` to another stage too.

    Parameters
    ----------
    connection
        A write connection.
    source
        Id of the stage that has them.
    owner
        The stage that takes them over.
    measured
        The data frame and the transformer of its own run that the metrics are about.
    """
    common = {"run_id": owner.run_id, "stage_id": owner.stage_id, "is_own": owner.is_own}
    about = {"data_frame_id": measured[0], "transformer_id": measured[1]}
    for table, further in ((hyperparameter, {}), (metric, about)):
        rows = connection.execute(sa.select(table).where(table.c.stage_id == source)).all()
        insert_ignore(connection, table, [{**row._mapping, **common, **further} for row in rows])
    names = ["name_id", "step", "value"]
    copied = sa.select(sa.literal(owner.stage_id, sa.BigInteger), *(history.c[name] for name in names)).where(
        history.c.stage_id == source
    )
    connection.execute(sa.insert(history).from_select(["stage_id", *names], copied))


def values_of_runs(
    connection: sa.Connection, table: sa.Table, run_ids: Collection[int], names: Collection[str] | None = None
) -> list[tuple[int, int, str, Any]]:
    """Return (run, stage, name, value) of the metrics or hyperparameters of some runs, by stage and name.

    Parameters
    ----------
    connection
        A read connection.
    table
        ``metric`` or ``hyperparameter``.
    run_ids
        Rows of the runs.
    names
        Names to restrict them to; ``None`` for all.
    """
    kind = (table.c.kind, table.c.text) if "kind" in table.c else (sa.null(), sa.null())
    query = (
        sa.select(table.c.run_id, table.c.stage_id, value_name.c.name, table.c.value, *kind)
        .join(value_name, value_name.c.id == table.c.name_id)
        .where(table.c.run_id.in_(list(run_ids)))
        .order_by(table.c.stage_id, value_name.c.name)
    )
    if names is not None:
        query = query.where(value_name.c.name.in_(sorted(names)))
    return [(row[0], row[1], row[2], as_recorded(*row[3:])) for row in connection.execute(query)]


def as_recorded(value: Any, kind: str | None, text: str | None) -> Any:
    """Return a value as it was recorded: SQLite gives 1.0 back as 1, and integers of more than 64 bits as floats.

    Parameters
    ----------
    value, kind, text
        Columns of ``hyperparameter``; `kind` is ``None`` for a metric.
    """
    if kind == "double":
        return float(value)
    if kind == "int" and isinstance(value, float) and text is not None and len(text) < _LONGEST:
        return int(text)
    return value


_METRICS_OF_STAGE = (
    sa.select(value_name.c.name, metric.c.value)
    .join(metric, metric.c.name_id == value_name.c.id)
    .where(metric.c.stage_id == sa.bindparam("stage"))
)


def metrics_of_stage(connection: sa.Connection, stage_id: int) -> dict[str, float]:
    """Return a stage's metrics by name."""
    return {str(name): float(value) for name, value in select_rows(connection, _METRICS_OF_STAGE, {"stage": stage_id})}
