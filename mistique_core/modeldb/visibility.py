"""Which runs may be shown."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.tables import experiment_run

AIRFLOW = "airflow"


def readable(readable_dags: Collection[str] | None) -> list[sa.ColumnElement[bool]]:
    """Return the condition on ``experiment_run``: runs of scripts, and those of the DAGs; ``None`` allows all."""
    if readable_dags is None:
        return []
    return [sa.or_(experiment_run.c.source != AIRFLOW, experiment_run.c.dag_id.in_(sorted(readable_dags)))]
