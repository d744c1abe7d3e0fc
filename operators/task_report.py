"""The report of several tasks of a DAG run: what each found, in order, recorded as one more answer of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from operators.links import run_page

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.store import Mistique

_FEW_COLUMNS, _FEW_ROWS = 7, 5


def steps_of_run(store: Mistique, context: Context, titles: Sequence[str]) -> list[dict[str, Any]]:
    """Return what tasks of this run recorded under some titles: title, sentence, error, query id, whether it is bad.

    Parameters
    ----------
    store
        An open store.
    context
        The task's context.
    titles
        In the order of the report. Where a task was tried again, its last record counts.
    """
    from mistique_core.modeldb.query_records import queries_of_run

    dag_run = context["dag_run"]
    with store.catalogue.read() as connection:
        records = queries_of_run(connection, dag_run.dag_id, dag_run.run_id)
    by_title = {record.answer.get("title"): record for record in records if record.answer}
    steps = []
    for title in titles:
        record = by_title.get(title)
        answer = {} if record is None else record.answer or {}
        missing = "its task ended without a record; see the task's log"
        steps.append(
            {
                "title": title,
                "sentence": answer.get("sentence", ""),
                "is_bad": bool(answer.get("is_bad")),
                "error": missing if record is None else record.error,
                "query_id": None if record is None else record.id,
                "notes": _rows_of(answer) if record is not None and record.technique == "pointq" else [],
            }
        )
    return steps


def _rows_of(answer: Mapping[str, Any]) -> list[str]:
    """Return the rows of a small table as texts, one a row."""
    names = answer.get("columns", ())
    if not 1 < len(names) <= _FEW_COLUMNS:
        return []
    return [
        ", ".join(f"{name} {_text(value)}" for name, value in zip(names, row, strict=True))
        for row in answer["rows"][:_FEW_ROWS]
    ]


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def record_report(
    store: Mistique,
    context: Context,
    name: str,
    request: Mapping[str, Any],
    *,
    title: str,
    sentence: str = "",
    steps: Sequence[Mapping[str, Any]] = (),
    error: str | None = None,
) -> dict[str, Any]:
    """Record a report with the questions of this run; return it, with its Markdown.

    Parameters
    ----------
    store
        An open store.
    context
        The task's context.
    name
        What it is recorded as.
    request
        What was asked, as JSON values.
    title
        Its heading.
    sentence, steps
        All in one sentence; and ``title``, ``sentence``, ``error``, ``query_id``, ``notes`` of each step.
    error
        Why there is no report.
    """
    from mistique_core.modeldb import record_query

    dag_run = context["dag_run"]
    answer: dict[str, Any] = {"title": title}
    if error is None:
        answer.update(sentence=sentence, steps=[dict(item) for item in steps])
    query_id = record_query(
        store.catalogue,
        technique=name,
        request=dict(request),
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        answer=answer,
        error=error,
    )
    page = run_page(dag_run.dag_id, dag_run.run_id)
    return {
        "query_id": query_id,
        "sentence": sentence,
        "steps": [dict(item) for item in steps],
        "markdown": _markdown(sentence, steps, page),
        "page": page,
    }


def _markdown(sentence: str, steps: Sequence[Mapping[str, Any]], page: str) -> str:
    lines = [f"**{sentence}**", ""]
    for number, step in enumerate(steps, 1):
        text = f"not answered: {step['error']}" if step.get("error") else step.get("sentence", "")
        lines.append(f"{number}. **{step['title']}**" + (f": {text}" if text else ""))
        lines.extend(f"   - {note}" for note in step.get("notes", ()))
    return "\n".join([*lines, "", f"[Figures and tables]({page})"])
