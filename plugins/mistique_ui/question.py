"""A recorded question with everything that a page shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mistique_core.diagnostics import TECHNIQUES
from mistique_core.modeldb.records import QueryRecord
from mistique_ui.downloads import has_parquet
from mistique_ui.repeat import python_code


@dataclass(frozen=True)
class ShownQuestion:
    """A question and its answer.

    Attributes
    ----------
    record
        As it was recorded.
    heading
        What it is about.
    has_figure
        Whether a figure is recorded.
    code
        The Python code that asks it again; ``None`` where there is none.
    suffixes
        File formats in which the answer can be downloaded.
    """

    record: QueryRecord
    heading: str
    has_figure: bool
    code: str | None
    suffixes: tuple[str, ...]

    @property
    def answer(self) -> dict[str, Any]:
        """The answer; empty if there is none."""
        return self.record.answer or {}

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Of the report of several tasks: what each one found."""
        return list(self.answer.get("steps", ()))


def shown(record: QueryRecord, with_figures: set[int], location: str) -> ShownQuestion:
    """Return what a page shows of one question."""
    answer = record.answer or {}
    known = TECHNIQUES.get(record.technique)
    heading = answer.get("title") or (record.technique if known is None else known.title)
    suffixes: tuple[str, ...] = ()
    if answer.get("columns"):
        suffixes = ("html", "csv", *(("parquet",) if has_parquet() else ()), "json")
    code = python_code(record.technique, record.request, location)
    return ShownQuestion(record, str(heading), record.id in with_figures, code, suffixes)


def in_reading_order(records: Iterable[QueryRecord]) -> Sequence[QueryRecord]:
    """Return the questions of a run: the last report and what it names, in its order; then others, the newest first."""
    newest = sorted(records, key=lambda item: -item.id)
    report = next((item for item in newest if item.answer and "steps" in item.answer), None)
    if report is None or report.answer is None:
        return newest
    by_id = {item.id: item for item in newest}
    named = [by_id[step["query_id"]] for step in report.answer["steps"] if step.get("query_id") in by_id]
    first = [report, *named]
    return [*first, *(item for item in newest if item not in first)]
