"""Answering a question from a task: recorded with its DAG run, logged, and returned for XCom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mistique_core.errors import MistiqueError
from operators.reconcile import reconcile_from_task

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.diagnostics import DiagnosticResult
    from mistique_core.store import Mistique

log = logging.getLogger(__name__)

_XCOM_ROWS = 100


def answer_for_xcom(
    store: Mistique,
    context: Context,
    technique: str,
    request: Mapping[str, Any],
    ask: Callable[[], DiagnosticResult],
    *,
    title: str = "",
) -> dict[str, Any]:
    """Answer and record a question of the current DAG run; return the answer for XCom, with its first 100 rows.

    Parameters
    ----------
    store
        An open store.
    context
        The task's context.
    technique, request, title
        See :class:`mistique_core.modeldb.recorded_answer.Question`.
    ask
        Checks the question, and answers it.

    Raises
    ------
    MistiqueError
        If it cannot be answered; the reason has been recorded, unless the catalogue is away.
    """
    from mistique_core.modeldb.recorded_answer import Question, answer_and_record

    dag_run = context["dag_run"]
    try:
        reconcile_from_task(store.catalogue)
    except MistiqueError as error:
        log.warning("could not look for runs that have ended: %s", error)
    question = Question(technique, request, title, dag_run.dag_id, dag_run.run_id)
    recorded = answer_and_record(store.catalogue, question, ask)
    result = recorded.result
    plan = result.plan.explain()
    log.info("%s", result.sentence)
    for line in plan.splitlines():
        log.info("%s", line)
    return {
        "query_id": recorded.query_id,
        "technique": result.technique,
        "strategy": result.plan.strategy,
        "why": result.plan.reason,
        "plan": plan,
        "seconds": recorded.seconds,
        **result.to_json(_XCOM_ROWS),
        "title": title,
        "markdown": result.to_markdown(),
    }
