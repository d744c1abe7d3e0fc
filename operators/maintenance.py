"""Maintenance as tasks: each step's report is recorded, and the last task puts them in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from mistique_core.errors import CatalogueUnavailableError, MistiqueError
from mistique_core.planner import format_bytes
from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.refusal import one_line_refusals
from operators.task_report import record_report, steps_of_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.store import Mistique

MAINTENANCE = "maintenance"
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class StepReport:
    """What one step found or did.

    Attributes
    ----------
    sentence
        In one sentence.
    columns, rows
        Its details, as a table of JSON values.
    is_bad
        Whether somebody has to look at it.
    """

    sentence: str
    columns: tuple[str, ...] = ()
    rows: list[list[Any]] = field(default_factory=list)
    is_bad: bool = False


class MaintenanceOperator(BaseOperator):
    """One step of maintenance, skipped where the run's params say so.

    Parameters
    ----------
    step
        ``check``, ``materialize``, ``compact`` or ``gc``.
    options
        What it takes; default the run's params: ``dry_run``; of ``check`` ``read_data``; of ``materialize``
        ``models``, ``policy``, ``gamma_min`` and ``budget_megabytes``; of ``gc`` ``grace_hours``. Templated.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("options",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"options": "json"}
    operator_extra_links = (RunPageLink(),)
    ui_color = "#e6f0f7"

    def __init__(
        self,
        *,
        step: str,
        options: Mapping[str, Any] | None = None,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.options = options
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Take the step and record its report; return its sentence, and whether somebody has to look at it.

        Raises
        ------
        AirflowSkipException
            If the step is switched off.
        AirflowFailException
            If it cannot be taken, with the reason in one line, which is recorded too.
        """
        options = dict(context["params"] if self.options is None else self.options)
        if not options.get(self.step, True):
            raise AirflowSkipException(f"{self.step} is switched off for this run")
        with one_line_refusals(context), MistiqueHook(self.mistique_conn_id).store as store:
            report = self._recorded(store, context, options)
        self.log.info("%s", report.sentence)
        return {"sentence": report.sentence, "is_bad": report.is_bad}

    def _recorded(self, store: Mistique, context: Context, options: Mapping[str, Any]) -> StepReport:
        from mistique_core.modeldb import record_query

        dag_run = context["dag_run"]
        start = time.perf_counter()
        report: StepReport | None = None
        error = None
        try:
            report = _STEPS[self.step](store, options)
        except CatalogueUnavailableError:
            raise
        except MistiqueError as problem:
            error = str(problem)
            raise
        finally:
            if report is not None or error is not None:
                record_query(
                    store.catalogue,
                    technique=self.step,
                    request=dict(options),
                    dag_id=dag_run.dag_id,
                    run_id=dag_run.run_id,
                    answer={"title": TITLES[self.step], **({} if report is None else _answer(report))},
                    seconds=time.perf_counter() - start,
                    error=error,
                )
        return report


class MaintenanceReportOperator(BaseOperator):
    """Put the reports of the steps in order; fails where somebody has to look at one.

    Parameters
    ----------
    mistique_conn_id
        Connection of the store.
    """

    operator_extra_links = (RunPageLink(),)
    ui_color = "#e6f0f7"

    def __init__(self, *, mistique_conn_id: str = DEFAULT_CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Record and return the report: ``sentence``, ``steps``, ``markdown``, ``query_id``.

        Raises
        ------
        AirflowFailException
            If a step failed, or the check found a problem.
        """
        params = dict(context["params"])
        wanted = [step for step in _STEPS if params.get(step, True)]
        with one_line_refusals(context), MistiqueHook(self.mistique_conn_id).store as store:
            steps = steps_of_run(store, context, [TITLES[step] for step in wanted])
            stats = store.stats()
            bad = [step["error"] or step["sentence"] for step in steps if step["error"] or step["is_bad"]]
            sentence = (
                f"{'Dry run, nothing was changed: ' if params.get('dry_run') else ''}{len(steps)} steps, "
                f"{len(bad)} to look at. {stats.intermediates:,} intermediates take "
                f"{format_bytes(stats.partition_bytes)} in {stats.partitions:,} files."
            )
            report = record_report(
                store, context, MAINTENANCE, params, title="Maintenance", sentence=sentence, steps=steps
            )
        if bad:
            raise AirflowFailException(f"{len(bad)} of {len(steps)} steps need a look; the first: {bad[0]}")
        return report


def _answer(report: StepReport) -> dict[str, Any]:
    return {
        "sentence": report.sentence,
        "is_bad": report.is_bad,
        "columns": list(report.columns),
        "rows": report.rows,
        "row_count": len(report.rows),
        "truncated": False,
    }


def _check(store: Mistique, options: Mapping[str, Any]) -> StepReport:
    report = store.check(read_data=bool(options.get("read_data")))
    looked = (
        f"{report.intermediates:,} intermediates, {report.chunks:,} chunks and {report.partitions:,} files "
        f"({format_bytes(report.partition_bytes)}){', every byte read' if report.covered else ''}"
    )
    if report.is_clean:
        return StepReport(f"No problem in {looked}.")
    rows = [[item.kind, item.what, item.remedy] for item in report.problems]
    count = f"{len(rows)} problem{'' if len(rows) == 1 else 's'}"
    return StepReport(f"{count} in {looked}.", ("kind", "what", "remedy"), rows, is_bad=True)


def _materialize(store: Mistique, options: Mapping[str, Any]) -> StepReport:
    policy = _policy(options)
    dry_run = bool(options.get("dry_run"))
    named = _models(options)
    reports = {
        f"{project}.{model}": store.materialize(project, model, policy=policy, dry_run=dry_run)
        for project, model in named
    } or {"all": store.materialize_all(policy=policy, dry_run=dry_run)}
    rows = [
        [name, len(report.kept), len(report.let_go), report.freed_bytes, ", ".join(report.let_go)]
        for name, report in reports.items()
    ]
    gone = sum(len(report.let_go) for report in reports.values())
    freed = sum(report.freed_bytes for report in reports.values())
    unequal = sum(len(report.unequal) for report in reports.values())
    verb = "would be" if dry_run else "are"
    sentence = f"{gone:,} intermediates {verb} let go: gc and compact can free {format_bytes(freed)}."
    if unequal:
        sentence += f" {unequal} stay because their re-run gives other values."
    return StepReport(sentence, ("model", "kept", "let go", "bytes to free", "names of those let go"), rows)


def _policy(options: Mapping[str, Any]) -> dict[str, Any]:
    name = options.get("policy") or "adaptive"
    if name == "budget":
        return {"policy": name, "bytes": int(float(options.get("budget_megabytes") or 0) * 1e6)}
    has_bound = name == "adaptive" and options.get("gamma_min") is not None
    return {"policy": name, **({"gamma_min": options["gamma_min"]} if has_bound else {})}


def _models(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (project, model) of those that are named."""
    from mistique_core.model import IntermediateKey

    keys = [IntermediateKey.parse(f"{name}.any") for name in options.get("models") or ()]
    return [(key.project, key.model) for key in keys]


def _compact(store: Mistique, options: Mapping[str, Any]) -> StepReport:
    report = store.compact(dry_run=bool(options.get("dry_run")))
    sentence = (
        f"{len(report.removed):,} files ({format_bytes(report.removed_bytes)}) "
        f"{'would become' if report.dry_run else 'became'} {len(report.written):,} "
        f"({format_bytes(report.written_bytes)})."
    )
    rows = [[item.kind, item.what, item.remedy] for item in report.problems]
    return StepReport(sentence, ("kind", "what", "remedy") if rows else (), rows, is_bad=bool(rows))


def _collect(store: Mistique, options: Mapping[str, Any]) -> StepReport:
    grace = float(options.get("grace_hours", 72)) * _HOUR_SECONDS
    report = store.gc(grace_seconds=grace, dry_run=bool(options.get("dry_run")))
    told = []
    verb = "would be" if report.dry_run else "were"
    if report.chunks:
        told.append(f"{report.chunks:,} chunks ({format_bytes(report.chunk_bytes)}) {verb} removed")
    if report.deleted_files:
        told.append(f"{len(report.deleted_files):,} files ({format_bytes(report.deleted_bytes)}) {verb} deleted")
    sentence = f"{', '.join(told) or 'Nothing is to be removed'}."
    if report.waiting_files:
        waiting = f"{report.waiting_files:,} files ({format_bytes(report.waiting_bytes)})"
        sentence += f" {waiting} wait for their grace period to end."
    return StepReport(sentence)


_STEPS: dict[str, Callable[[Mistique, Mapping[str, Any]], StepReport]] = {
    "check": _check,
    "materialize": _materialize,
    "compact": _compact,
    "gc": _collect,
}
TITLES = {
    "check": "Check",
    "materialize": "Let go of what can be re-run",
    "compact": "Merge small files, drop dead bytes",
    "gc": "Collect garbage",
}
