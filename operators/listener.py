"""Airflow's listener: records each DAG run of a workflow as an ExperimentRun.

It runs inside the scheduler, so three rules hold. It never opens Airflow's own session: the
scheduler's dies of that. It is short: its own engine, a busy timeout of two seconds, and what the
catalogue cannot take by then waits in :mod:`operators.late_reports`. And it never raises: what it
could not write is logged, and filled in later by :mod:`operators.reconcile`.
Task hooks are left out on purpose: stages record themselves before their task succeeds.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from operators.late_reports import PASSING, LateReport, LateReports

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from mistique_core.catalogue import Catalogue

log = logging.getLogger(__name__)

BUSY_SECONDS = 2.0


class RunListener:
    """Records the start and the end of DAG runs that contain stages."""

    def __init__(self) -> None:
        self._catalogue: Catalogue | None = None
        self._late = LateReports(self._write_late)

    @hookimpl
    def on_starting(self, component: object) -> None:
        """Prepare the catalogue when the scheduler starts, so that no run has to wait for it."""
        if getattr(component, "job_type", None) != "SchedulerJob":
            return
        try:
            self._open()
        except Exception:
            log.exception("MISTIQUE could not prepare its catalogue; runs will be recorded later by reconcile")

    @hookimpl
    def on_dag_run_running(self, dag_run: DagRun, msg: str) -> None:
        """Record that a run started."""
        self._record(dag_run, "running", None)

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun, msg: str) -> None:
        """Record that a run succeeded."""
        self._record(dag_run, "success", None)

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun, msg: str) -> None:
        """Record that a run failed."""
        self._record(dag_run, "failed", msg or "failed")

    @hookimpl
    def before_stopping(self, component: object) -> None:
        """Write what is still waiting, if the catalogue takes it now."""
        self._late.stop()

    def _record(self, dag_run: DagRun, state: str, error: str | None) -> None:
        try:
            from operators.run_report import has_stages, run_report

            dag = getattr(dag_run, "dag", None)
            if dag is not None and not has_stages(dag):
                return
            late = LateReport(run_report(dag_run, dag, state, error), create=dag is not None)
            if self._late:  # a catalogue that does not answer must not cost the scheduler two seconds for every run
                self._late.add(late)
                return
            try:
                self._write(late)
            except PASSING as reason:
                log.warning("MISTIQUE could not record %s yet, and tries again: %s", late, reason)
                self._late.add(late)
        except Exception:
            log.exception("MISTIQUE could not record run %s of %s; reconcile will", dag_run.run_id, dag_run.dag_id)

    def _write(self, late: LateReport, *, is_late: bool = False) -> None:
        from mistique_core.modeldb import record_run

        catalogue = self._open()
        if catalogue is not None:
            record_run(catalogue, late.report, create=late.create, is_late=is_late)

    def _write_late(self, late: LateReport) -> None:
        self._write(late, is_late=True)

    def _open(self) -> Catalogue | None:
        """Return the catalogue that the environment names; ``None`` when only a connection knows it."""
        if self._catalogue is None:
            from mistique_core.catalogue import Catalogue, ensure_schema
            from operators.connection import is_configured_by_environment, store_config

            config = store_config(allow_database=False)
            if not is_configured_by_environment() and config.folder is not None and not config.folder.exists():
                return None
            catalogue = Catalogue(config.catalogue_url, BUSY_SECONDS)
            ensure_schema(catalogue)
            self._catalogue = catalogue
        return self._catalogue


listener: Any = RunListener()
