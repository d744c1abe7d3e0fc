"""Whether lineage of a task is asked for, without importing anything to find out."""

from __future__ import annotations

import sys
from typing import Any

_PROVIDER = "airflow.providers.openlineage"


def lineage_is_wanted(task: Any, dag_id: str) -> bool:
    """Return whether Airflow's OpenLineage provider will ask this task for its datasets.

    The provider's plugin has been loaded before a task executes, and loads its listener only where a transport is
    configured and nothing switches it off. So modules that are not there yet say that nobody listens.

    Parameters
    ----------
    task
        The operator that executes.
    dag_id
        Its DAG; the provider's policy can be set for a DAG or an operator.
    """
    settings = sys.modules.get(f"{_PROVIDER}.conf")
    if settings is None or f"{_PROVIDER}.plugins.listener" not in sys.modules or settings.is_disabled():
        return False
    policy = sys.modules.get(f"{_PROVIDER}.utils.emission_policy")
    if policy is None:
        return True
    controls = policy.resolve_task_emission_policy(operator=task, dag_id=dag_id, task_id=task.task_id)
    return bool(controls.emit and controls.extract_operator_metadata)
