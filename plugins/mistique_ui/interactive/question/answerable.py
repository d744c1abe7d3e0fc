"""Whether the web server answers a question itself: only from what is stored, and only what is small enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistique_core.diagnostics import diagnose, find_technique
from mistique_core.diagnostics.touched_keys import touched_keys, touched_rows
from mistique_core.planner import QueryPlan
from mistique_core.store.reading_size import reading_size
from mistique_ui.formats import format_bytes, format_seconds

if TYPE_CHECKING:
    from mistique_core.diagnostics import DiagnosticResult
    from mistique_ui.interactive.viewer import Viewer

MOST_VALUE_BYTES = 128_000_000
MOST_READ_SECONDS = 10.0


@dataclass(frozen=True)
class Judgement:
    """What is known of a question before it is answered.

    Attributes
    ----------
    plan
        With both estimates.
    value_bytes
        Bytes of the values that it reads.
    why_not
        Why the web server does not answer it, in one sentence; empty where it does.
    """

    plan: QueryPlan
    value_bytes: int
    why_not: str


def judge(viewer: Viewer, technique: str, parameters: Mapping[str, Any]) -> Judgement:
    """Check a question and plan it; no values are read.

    Raises
    ------
    InvalidInputError
        If the question is wrong.
    NotFoundError
        If something that it names does not exist.
    HTTPException
        403, if the user may not see it.
    """
    keys = touched_keys(technique, parameters)
    rows = touched_rows(technique, parameters)
    with viewer.catalogue.read() as connection:
        size = reading_size(connection, keys)
    viewer.may.see("version", size.model_versions)
    wanted = str(parameters.get("strategy") or "auto")
    plan = viewer.store.explain(keys, row_id=rows)
    amount = size.of_rows(None if rows is None else len(rows))
    return Judgement(plan, amount, _why_not(plan, amount, wanted, exact=bool(parameters.get("exact"))))


def _why_not(plan: QueryPlan, value_bytes: int, strategy: str, *, exact: bool) -> str:
    if strategy == "rerun":
        return "A re-run was asked for, and the web server runs no stages."
    missing = [target.label for target in plan.targets if target.read_seconds is None]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not stored, so that stages have to re-run."
    if exact:
        return "An exact answer may re-run rows of a lossy layer, and the web server runs no stages."
    if value_bytes > MOST_VALUE_BYTES:
        most = format_bytes(MOST_VALUE_BYTES)
        return f"It reads {format_bytes(value_bytes)} of values, more than the {most} that the web server takes."
    seconds = plan.read_seconds
    if seconds is not None and seconds > MOST_READ_SECONDS:
        return f"Reading is estimated at {format_seconds(seconds)}, too long for the web server."
    return ""


def answer(viewer: Viewer, technique: str, parameters: Mapping[str, Any]) -> DiagnosticResult:
    """Answer a question that was judged to be answered here: from what is stored, whatever the cost model prefers."""
    known = {item.name for item in find_technique(technique).parameters}
    forced = {"strategy": "read"} if "strategy" in known else {}
    return diagnose(viewer.store, technique, {**parameters, **forced})
