"""Hyperparameters and metrics of many runs as matrices: plain tuples from SQL, pivoted by NumPy."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, value_name
from mistique_core.catalogue.tables import experiment_run, stage
from mistique_core.modeldb.compare.records import RunTable
from mistique_core.modeldb.entities import not_found
from mistique_core.modeldb.found_runs import prefixed

_BATCH = 500


def run_table(connection: sa.Connection, run_ids: Sequence[int]) -> RunTable:
    """Return the runs' own hyperparameters and metrics; NotFoundError for a run that does not exist.

    A name that several stages of one run use is given as ``stage.name`` for that run.
    """
    runs = list(dict.fromkeys(run_ids))
    known: set[int] = set()
    for batch in _batches(runs):
        known.update(connection.scalars(sa.select(experiment_run.c.id).where(experiment_run.c.id.in_(batch))))
    for run in runs:
        if run not in known:
            raise not_found("run", run)
    place = {run: number for number, run in enumerate(runs)}
    metric_names, metrics = _metrics(connection, runs, place)
    parameter_names, parameters = _parameters(connection, runs, place)
    with np.errstate(invalid="ignore"):
        first = metrics[:, :1]
        is_same = (metrics == first) | (np.isnan(metrics) & np.isnan(first))
    metric_order = _differing_first(metric_names, ~is_same.all(axis=1))
    written = [[json.dumps(value, sort_keys=True) for value in row] for row in parameters]
    differs = np.array([len(set(row)) > 1 for row in written], bool)
    parameter_order = _differing_first(parameter_names, differs)
    return RunTable(
        tuple(runs),
        tuple(parameter_names[row] for row in parameter_order),
        parameters[parameter_order],
        int(differs.sum()),
        tuple(metric_names[row] for row in metric_order),
        metrics[metric_order],
        int((~is_same.all(axis=1)).sum()),
    )


def _batches(runs: Sequence[int]) -> list[Sequence[int]]:
    return [runs[start : start + _BATCH] for start in range(0, len(runs), _BATCH)]


def _metrics(
    connection: sa.Connection, runs: Sequence[int], place: dict[int, int]
) -> tuple[list[str], npt.NDArray[np.float64]]:
    rows: list[tuple[int, int, int, float]] = []
    for batch in _batches(runs):
        query = sa.select(metric.c.run_id, metric.c.name_id, metric.c.stage_id, metric.c.value).where(
            metric.c.run_id.in_(batch), metric.c.is_own
        )
        rows += _tuples(connection, query)
    if not rows:
        return [], np.empty((0, len(runs)))
    run_ids, name_ids, stage_ids = (np.fromiter(map(itemgetter(i), rows), np.int64, len(rows)) for i in range(3))
    values = np.fromiter(map(itemgetter(3), rows), np.float64, len(rows))
    known_runs, run_of = np.unique(run_ids, return_inverse=True)
    columns = np.array([place[run] for run in known_runs.tolist()], np.int64)[run_of]
    names = _names(connection, set(np.unique(name_ids).tolist()))
    # Several stages of a run with the same name are rare: only those get labels of their own.
    keys = run_ids * (name_ids.max() + 1) + name_ids
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts[inverse] > 1
    unique_names, row_of = np.unique(name_ids[~shared], return_inverse=True)
    labels = [names[number] for number in unique_names.tolist()]
    found = np.full((len(labels), len(runs)), np.nan)
    found[row_of, columns[~shared]] = values[~shared]
    if not shared.any():
        return labels, found
    stages = _stages(connection, set(stage_ids[shared].tolist()))
    further: dict[str, npt.NDArray[np.float64]] = {}
    for column, name, stage_id, value in zip(
        columns[shared], name_ids[shared].tolist(), stage_ids[shared].tolist(), values[shared], strict=True
    ):
        label = prefixed(*stages[stage_id], names[name])
        further.setdefault(label, np.full(len(runs), np.nan))[column] = value
    return labels + list(further), np.vstack([found, *further.values()])


def _parameters(
    connection: sa.Connection, runs: Sequence[int], place: dict[int, int]
) -> tuple[list[str], npt.NDArray[np.object_]]:
    rows: list[tuple[int, int, int, Any]] = []
    for batch in _batches(runs):
        query = sa.select(
            hyperparameter.c.run_id, hyperparameter.c.name_id, hyperparameter.c.stage_id, hyperparameter.c.value
        ).where(hyperparameter.c.run_id.in_(batch), hyperparameter.c.is_own)
        rows += [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
    names = _names(connection, {row[1] for row in rows})
    uses = Counter((row[0], row[1]) for row in rows)
    stages = _stages(connection, {row[2] for row in rows if uses[row[0], row[1]] > 1})
    table: dict[str, list[Any]] = defaultdict(lambda: [None] * len(runs))
    for run, name, stage_id, value in rows:
        label = names[name] if uses[run, name] == 1 else prefixed(*stages[stage_id], names[name])
        table[label][place[run]] = value
    found = np.empty((len(table), len(runs)), object)
    for number, values in enumerate(table.values()):
        for column, value in enumerate(values):
            found[number, column] = value
    return list(table), found


def _tuples(connection: sa.Connection, query: sa.Select[Any]) -> list[Any]:
    """Return the driver's own tuples: SQLAlchemy's rows would take half of the time of half a million."""
    return list(connection.execute(query).cursor.fetchall())


def _names(connection: sa.Connection, numbers: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for batch in _batches(sorted(numbers)):
        query = sa.select(value_name.c.id, value_name.c.name).where(value_name.c.id.in_(batch))
        found.update((row.id, row.name) for row in connection.execute(query))
    return found


def _stages(connection: sa.Connection, ids: set[int]) -> dict[int, tuple[str, int]]:
    found: dict[int, tuple[str, int]] = {}
    for batch in _batches(sorted(ids)):
        query = sa.select(stage.c.id, stage.c.name, stage.c.map_index).where(stage.c.id.in_(batch))
        found.update((row.id, (row.name, row.map_index)) for row in connection.execute(query))
    return found


def _differing_first(names: Sequence[str], differs: npt.NDArray[np.bool_]) -> list[int]:
    return sorted(range(len(names)), key=lambda row: (not differs[row], names[row]))
