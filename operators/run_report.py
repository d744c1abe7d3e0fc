"""What Airflow's objects say about a DAG run, as a report for ModelDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import object_session

from mistique_core.modeldb import RunReport

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.models.dagrun import DagRun

_STAGE_FIELDS = (
    {"project", "model", "intermediate"},
    {"project", "model", "network"},
    {"project", "model", "search"},
)
"""Templated fields of which a task that logs intermediates has one group or another."""


def has_stages(dag: Any) -> bool:
    """Return whether a (serialized) DAG contains stage operators."""
    return any(_is_stage(task) for task in dag.tasks)


def project_of(dag: Any) -> str | None:
    """Return the project of a DAG's stages; ``None`` when it is templated or absent."""
    for task in dag.tasks:
        project = getattr(task, "project", None)
        if _is_stage(task) and isinstance(project, str) and "{{" not in project:
            return project
    return None


def _is_stage(task: Any) -> bool:
    templated = set(getattr(task, "template_fields", ()) or ())
    return any(templated.issuperset(fields) for fields in _STAGE_FIELDS)


def run_report(dag_run: DagRun, dag: Any | None, state: str, error: str | None) -> RunReport:
    """Return the report of a run; reads through the run's own session only, never opening one."""
    conf = dict(dag_run.conf or {})
    return RunReport(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        state=state,
        project=None if dag is None else project_of(dag),
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        dag_version=_dag_version(dag_run),
        conf=conf,
        params=None if dag is None else {**_default_params(dag), **conf},
        started_at=_seconds(dag_run.start_date),
        ended_at=None if state == "running" else _seconds(dag_run.end_date),
        error=error,
    )


def _default_params(dag: Any) -> dict[str, Any]:
    params: Any = getattr(dag, "params", None)
    return dict(params.dump()) if hasattr(params, "dump") else dict(params or {})


def _dag_version(dag_run: DagRun) -> str | None:
    if object_session(dag_run) is None:
        return None
    versions = list(dag_run.dag_versions or [])
    return str(versions[-1].version_number) if versions else None


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
