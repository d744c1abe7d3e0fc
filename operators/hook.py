"""The hook: a store, opened from an Airflow connection."""

from __future__ import annotations

import platform
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from operators.connection import DEFAULT_CONNECTION, store_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd
    from airflow.sdk import Context

    from mistique_core.model import LogReport
    from mistique_core.planner import QueryPlan, Strategy
    from mistique_core.store import Mistique, QueryResult, Run
    from mistique_core.store.mistique import Keys


class MistiqueHook(BaseHook):
    """Gives tasks the store of a connection.

    Parameters
    ----------
    mistique_conn_id
        Connection of type ``mistique``; without one the store is ``$MISTIQUE_HOME``, else
        ``$AIRFLOW_HOME/mistique``.
    """

    conn_name_attr = "mistique_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "mistique"
    hook_name = "MISTIQUE store"

    def __init__(self, mistique_conn_id: str = DEFAULT_CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mistique_conn_id = mistique_conn_id

    @cached_property
    def store(self) -> Mistique:
        """The store, opened on first use."""
        from dataclasses import asdict

        from mistique_core.store import Mistique
        from operators.metrics import publish

        publish()
        settings = asdict(store_config(self.mistique_conn_id))
        return Mistique.open(settings.pop("location"), settings.pop("catalogue_url"), **settings)

    def get_conn(self) -> Mistique:
        """Return the store."""
        return self.store

    def open_run(self, context: Context, project: str, model: str, *, workflow: Mapping[str, Any] | None = None) -> Run:
        """Return the run of the current DAG run: the same model version in each of its tasks.

        Parameters
        ----------
        context
            The task's context.
        project, model
            Whose version the run makes.
        workflow
            What is recorded about the workflow's specification: JSON values.
        """
        from mistique_core.catalogue import RunKey

        dag_run = context["dag_run"]
        started = getattr(dag_run, "start_date", None)
        environment = {"python": platform.python_version(), "host": platform.node()}
        facts: Mapping[str, Any] = {
            "run_type": str(getattr(dag_run.run_type, "value", dag_run.run_type)),
            "conf": dict(dag_run.conf or {}),
            "params": dict(context["params"]),
            "started_at": None if started is None else started.timestamp(),
            "environment": environment if workflow is None else {**environment, "workflow": dict(workflow)},
        }
        key = RunKey("airflow", dag_run.dag_id, dag_run.run_id)
        return self.store.run(project, model, key=key, facts={k: v for k, v in facts.items() if v is not None})

    def log_frame(
        self,
        context: Context,
        project: str,
        model: str,
        intermediate: str,
        frame: pd.DataFrame,
        *,
        row_id: str | npt.ArrayLike | None = None,
    ) -> LogReport:
        """Store a frame as an intermediate of the current DAG run (see :meth:`Run.log_frame`)."""
        return self.open_run(context, project, model).log_frame(intermediate, frame, row_id=row_id)

    def get_intermediates(
        self,
        keys: Keys,
        *,
        row_id: int | npt.ArrayLike | None = None,
        n_ex: int | None = None,
        where: Any = None,
        strategy: Strategy = "auto",
    ) -> QueryResult:
        """Return columns of intermediates (see :meth:`Mistique.get_intermediates`)."""
        return self.store.get_intermediates(keys, row_id=row_id, n_ex=n_ex, where=where, strategy=strategy)

    def explain(
        self,
        keys: Keys,
        *,
        row_id: int | npt.ArrayLike | None = None,
        n_ex: int | None = None,
        where: Any = None,
        strategy: Strategy = "auto",
    ) -> QueryPlan:
        """Return how a query would be answered (see :meth:`Mistique.explain`)."""
        return self.store.explain(keys, row_id=row_id, n_ex=n_ex, where=where, strategy=strategy)

    def test_connection(self) -> tuple[bool, str]:
        """Open the store and say how much it holds; used by Airflow's connection test."""
        from mistique_core.errors import MistiqueError

        try:
            stats = self.store.stats()
        except MistiqueError as error:
            return False, str(error)
        return True, f"{stats.intermediates} intermediates in {stats.location}"
