"""Recording an answer with its figure, so that pages show it later without the data and without running anything."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistique_core.errors import CatalogueUnavailableError, MistiqueError
from operators.reconcile import reconcile_from_task

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.diagnostics import DiagnosticResult
    from mistique_core.store import Mistique

log = logging.getLogger(__name__)

_XCOM_ROWS = 100


@dataclass(frozen=True)
class Question:
    """What a task asks.

    Attributes
    ----------
    technique
        Its name in the registry, or that of a part of a check-up.
    request
        What was asked, as JSON values.
    title
        What it is about, where that is not plain from the technique; else empty.
    """

    technique: str
    request: Mapping[str, Any]
    title: str = ""


def answer_and_record(
    store: Mistique, context: Context, question: Question, ask: Callable[[], DiagnosticResult]
) -> dict[str, Any]:
    """Answer a question and record it, whether or not it can be answered; return what goes to XCom.

    Parameters
    ----------
    store
        An open store.
    context
        The task's context.
    question
        What is asked.
    ask
        Checks the question, and answers it.

    Raises
    ------
    MistiqueError
        If it cannot be answered; the reason has been recorded, unless the catalogue is away.
    """
    from mistique_core.modeldb import record_query

    dag_run = context["dag_run"]
    record: dict[str, Any] = {
        "technique": question.technique,
        "request": dict(question.request),
        "dag_id": dag_run.dag_id,
        "run_id": dag_run.run_id,
    }
    try:
        reconcile_from_task(store.catalogue)
    except MistiqueError as error:
        log.warning("could not look for runs that have ended: %s", error)
    start = time.perf_counter()
    try:
        result = ask()
    except CatalogueUnavailableError:
        raise
    except MistiqueError as error:
        failed = {"title": question.title} if question.title else None
        record_query(store.catalogue, error=str(error), answer=failed, seconds=time.perf_counter() - start, **record)
        raise
    seconds = time.perf_counter() - start
    plan = result.plan.explain()
    log.info("%s", result.sentence)
    for line in plan.splitlines():
        log.info("%s", line)
    figure, note = _figure_of(result)
    extra = {
        "title": question.title,
        "figure_note": note,
        "read_seconds": result.plan.read_seconds,
        "rerun_seconds": result.plan.rerun_seconds,
        "measured_seconds": result.plan.measured_seconds,
        "targets": [target.label for target in result.plan.targets],
    }
    query_id = record_query(
        store.catalogue,
        plan=plan,
        strategy=result.plan.strategy,
        answer={**result.to_json(), **extra},
        seconds=seconds,
        figure=figure,
        **record,
    )
    return {
        "query_id": query_id,
        "technique": result.technique,
        "strategy": result.plan.strategy,
        "why": result.plan.reason,
        "plan": plan,
        "seconds": seconds,
        **result.to_json(_XCOM_ROWS),
        "title": question.title,
        "markdown": result.to_markdown(),
    }


def _figure_of(result: DiagnosticResult) -> tuple[str | None, str]:
    """Return the figure as JSON and what it leaves out; an answer without one is still an answer."""
    from mistique_core.diagnostics import figure_document

    try:
        document = figure_document(result.figure())
    except MistiqueError as error:
        log.warning("there is no figure: %s", error)
        return None, f"There is no figure: {error}"
    return document.json, document.note
