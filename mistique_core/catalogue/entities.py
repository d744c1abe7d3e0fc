"""Projects, models, experiments, ExperimentRuns and model versions: who referred to the data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from blake3 import blake3

from mistique_core.catalogue.driver_statements import find_largest, find_row, insert_new, select_rows
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project

RUNNING, SUCCESS, FAILED = "running", "success", "failed"
SKIPPED = "skipped"
"""Only of a stage: its task decided that there was nothing to do."""
TERMINAL_STATES = (SUCCESS, FAILED)
TRIAL, REFIT = PARTS_OF_SEARCH = ("trial", "refit")
"""``run_type`` of runs that are no DAG runs but parts of one that searches: its ``run_id`` is what theirs begin with,
before a slash."""

_MOST_ID, _MOST_NAME = 250, 200
"""Characters of the columns."""
_DIGEST = 24


@dataclass(frozen=True)
class RunKey:
    """What identifies an ExperimentRun, wherever it is reported from.

    Attributes
    ----------
    source
        ``airflow`` or ``python``.
    dag_id, run_id
        The DAG's id (or the script's name) and the run's id. One that is too long for the catalogue, which Airflow's
        never are, ends with a hash of the whole.
    """

    source: str
    dag_id: str
    run_id: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "dag_id", _fitting(self.dag_id, _MOST_ID))
        object.__setattr__(self, "run_id", _fitting(self.run_id, _MOST_ID))

    def columns(self) -> dict[str, str]:
        """Return the unique key as column values."""
        return {"source": self.source, "dag_id": self.dag_id, "run_id": self.run_id}


def _fitting(name: str, most: int) -> str:
    """Return a name in at most so many characters; different ones stay different."""
    if len(name) <= most:
        return name
    digest = blake3(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{name[: most - _DIGEST - 1]}~{digest}"


def project_id(connection: sa.Connection, name: str) -> int:
    """Return the project's id, creating the project when it is new."""
    return _get_or_create(connection, project, {"name": name})


def model_id(connection: sa.Connection, project_name: str, name: str) -> int:
    """Return the model's id, creating project and model when they are new."""
    return _get_or_create(connection, model, {"project_id": project_id(connection, project_name), "name": name})


def experiment_id(connection: sa.Connection, project_name: str, name: str) -> int:
    """Return the experiment's id, creating project and experiment when they are new."""
    key = {"project_id": project_id(connection, project_name), "name": _fitting(name, _MOST_NAME)}
    return _get_or_create(connection, experiment, key)


def _get_or_create(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any]) -> int:
    found = find_row(connection, table, key)
    if found is None:
        made = insert_new(connection, table, {**key, "created_at": time.time()})
        if made is not None:
            return made
        found = find_row(connection, table, key)  # another writer was first
        assert found is not None
    return int(found[0])


def save_run(
    connection: sa.Connection,
    key: RunKey,
    *,
    project_name: str | None = None,
    experiment_name: str | None = None,
    overwrite: bool,
    **values: Any,
) -> int:
    """Insert or complete an ExperimentRun; may be repeated, in any order, from several processes.

    Parameters
    ----------
    connection
        A write connection.
    key
        Which run.
    project_name, experiment_name
        The experiment that it belongs to, where known.
    overwrite
        True for the authority on the run's state (the scheduler, a reconcile step): given values
        replace what is there. False for a bystander (a task): only what is still empty is filled in.
    **values
        Columns of ``experiment_run``; ``None`` values are ignored.

    Returns
    -------
    int
        The run's id.
    """
    known = {name: value for name, value in values.items() if value is not None}
    if project_name is not None:
        known["experiment_id"] = experiment_id(connection, project_name, experiment_name or key.dag_id)
    made = insert_new(connection, experiment_run, {**key.columns(), "state": RUNNING, **known})
    if made is not None:
        return made
    row = connection.execute(
        sa.select(experiment_run).where(*(experiment_run.c[n] == v for n, v in key.columns().items()))
    ).one()
    changes = {n: v for n, v in known.items() if row._mapping[n] != v and (overwrite or row._mapping[n] is None)}
    if overwrite and known.get("state") == RUNNING and row.ended_at is not None:
        changes |= {"ended_at": None, "error": None}
    if overwrite and known.get("state") == SUCCESS and row.error is not None:
        changes["error"] = None
    if changes:
        connection.execute(sa.update(experiment_run).where(experiment_run.c.id == row.id).values(**changes))
    return int(row.id)


def model_version_of(connection: sa.Connection, project_name: str, model_name: str, run: int) -> tuple[int, int]:
    """Return (id, number) of the model version that a run makes, opening it when it is new."""
    owner = model_id(connection, project_name, model_name)
    key = {"model_id": owner, "run_id": run}
    row = find_row(connection, model_version, key, ("id", "number"))
    if row is None:
        if connection.dialect.name != "sqlite":  # there, a transaction that writes is the only one
            connection.execute(sa.select(model.c.id).where(model.c.id == owner).with_for_update())
        number = find_largest(connection, model_version, "number", {"model_id": owner}) + 1
        made = insert_new(connection, model_version, {**key, "number": number, "created_at": time.time()})
        if made is not None:
            return made, number
        row = find_row(connection, model_version, key, ("id", "number"))
        assert row is not None
    return int(row[0]), int(row[1])


_LOCK = sa.select(model_version.c.id).where(model_version.c.id == sa.bindparam("wanted")).with_for_update()


def lock_version(connection: sa.Connection, version_id: int) -> None:
    """Let one writer at a time number the tries and attempts of a model version (a row lock on PostgreSQL)."""
    select_rows(connection, _LOCK, {"wanted": version_id})
