"""Answer a question and record it with its figure: pages show both later, without the data and without a re-run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistique_core.catalogue.database import Catalogue
from mistique_core.errors import CatalogueUnavailableError, MistiqueError
from mistique_core.modeldb.queries import record_query

if TYPE_CHECKING:
    from mistique_core.diagnostics import DiagnosticResult

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What is asked, and by whom.

    Attributes
    ----------
    technique
        Its name in the registry, or that of a part of a check-up.
    request
        What was asked, as JSON values.
    title
        What it is about, where that is not plain from the technique; else empty.
    dag_id, run_id
        The DAG run that asks, if any.
    """

    technique: str
    request: Mapping[str, Any]
    title: str = ""
    dag_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class RecordedAnswer:
    """An answer and where it is recorded.

    Attributes
    ----------
    query_id
        Its row in the catalogue.
    result
        The answer.
    seconds
        How long it took to get it.
    """

    query_id: int
    result: DiagnosticResult
    seconds: float


def answer_and_record(catalogue: Catalogue, question: Question, ask: Callable[[], DiagnosticResult]) -> RecordedAnswer:
    """Answer a question and record it, whether or not it can be answered.

    Parameters
    ----------
    catalogue
        Where it is recorded.
    question
        What is asked.
    ask
        Checks the question, and answers it.

    Raises
    ------
    MistiqueError
        If it cannot be answered; the reason has been recorded, unless the catalogue is away.
    """
    record: dict[str, Any] = {
        "technique": question.technique,
        "request": question.request,
        "dag_id": question.dag_id,
        "run_id": question.run_id,
    }
    start = time.perf_counter()
    try:
        result = ask()
    except CatalogueUnavailableError:
        raise
    except MistiqueError as error:
        failed = {"title": question.title} if question.title else None
        record_query(catalogue, error=str(error), answer=failed, seconds=time.perf_counter() - start, **record)
        raise
    seconds = time.perf_counter() - start
    figure, note = figure_of(result)
    plan = result.plan
    answer = {
        **result.to_json(),
        "title": question.title,
        "figure_note": note,
        "read_seconds": plan.read_seconds if plan.targets else None,
        "rerun_seconds": plan.rerun_seconds if plan.targets else None,
        "measured_seconds": plan.measured_seconds,
    }
    query_id = record_query(
        catalogue,
        plan=plan.explain() or None,
        strategy=plan.strategy if plan.targets else None,
        answer=answer,
        seconds=seconds,
        figure=figure,
        **record,
    )
    return RecordedAnswer(query_id, result, seconds)


def figure_of(result: DiagnosticResult) -> tuple[str | None, str]:
    """Return the figure as JSON and what it leaves out; an answer without one is still an answer.

    A figure that is only a table is left out: pages show the answer's table anyway.
    """
    from mistique_core.diagnostics import figure_document

    try:
        figure = result.figure()
    except MistiqueError as error:
        log.warning("there is no figure: %s", error)
        return None, f"There is no figure: {error}"
    if all(trace.type == "table" for trace in figure.data):
        return None, ""
    document = figure_document(figure)
    return document.json, document.note
