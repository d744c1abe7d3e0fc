"""The trials of a search as the catalogue holds them: there is no other record of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.entities import RunKey
from mistique_core.catalogue.modeldb_tables import metric, value_name
from mistique_core.catalogue.tables import experiment_run, stage
from mistique_core.workflows.search.trial import COMPLETE, FAILED, RUNNING, Trial, trial_prefix
from mistique_core.workflows.specification import SearchSpec
from mistique_core.workflows.specification.search_spec import fold_name

_BATCH = 500


def read_trials(connection: sa.Connection, key: RunKey, search: SearchSpec) -> list[Trial]:
    """Return the trials that have begun, by number.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    key
        The run of the search.
    search
        What it looks for.
    """
    prefix = trial_prefix(key)
    rows = connection.execute(
        sa.select(experiment_run).where(
            experiment_run.c.source == key.source,
            experiment_run.c.dag_id == key.dag_id,
            experiment_run.c.run_id.startswith(prefix, autoescape=True),
        )
    ).all()
    measured = _measured(connection, [row.id for row in rows], search)
    found = [_trial(row, int(row.run_id.removeprefix(prefix)), measured[row.id], search) for row in rows]
    return sorted(found, key=lambda trial: trial.number)


def _trial(row: sa.Row[Any], number: int, measured: dict[str, float], search: SearchSpec) -> Trial:
    about = row.metadata or {}
    state = about.get("state", RUNNING)
    if row.state == FAILED:
        state = FAILED
    values = [measured[name] for name in _places(search) if name in measured]
    folds = values if search.folds is not None else []
    objective = None
    if state == COMPLETE:
        objective = float(np.mean(values)) if values else None
    return Trial(
        number=number,
        run_id=row.run_id,
        params=about.get("parameters", {}),
        state=state,
        folds=tuple(folds),
        objective=objective,
        seconds=None if row.ended_at is None or row.started_at is None else row.ended_at - row.started_at,
        error=row.error,
    )


def _places(search: SearchSpec) -> list[str]:
    """Return the names of the stages that measure the objective: one, or one a fold."""
    if search.folds is None:
        return [search.stage]
    return [fold_name(search.stage, fold) for fold in range(1, search.folds + 1)]


def _measured(connection: sa.Connection, run_ids: Collection[int], search: SearchSpec) -> dict[int, dict[str, float]]:
    """Return run -> stage -> the objective's value in the last try that measured it."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    ids = sorted(run_ids)
    for start in range(0, len(ids), _BATCH):
        query = (
            sa.select(metric.c.run_id, stage.c.name, metric.c.value)
            .join(stage, stage.c.id == metric.c.stage_id)
            .join(value_name, value_name.c.id == metric.c.name_id)
            .where(
                metric.c.run_id.in_(ids[start : start + _BATCH]),
                value_name.c.name == search.metric,
                stage.c.name.in_(_places(search)),
            )
            .order_by(stage.c.try_number)
        )
        for row in connection.execute(query):
            found[row.run_id][row.name] = float(row.value)
    return found
