"""The table of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html

from mistique_ui.formats import is_number
from mistique_ui.interactive.theme import grid


def answer_table(name: str, answer: Mapping[str, Any]) -> Any:
    """Return the rows of an answer as :meth:`~mistique_core.diagnostics.DiagnosticResult.to_json` gives them.

    Parameters
    ----------
    name
        Id of the component.
    answer
        ``columns`` and ``rows``; ``row_count`` and ``truncated`` where there are more.
    """
    columns, rows = list(answer.get("columns") or ()), list(answer.get("rows") or ())
    if not columns:
        return None
    if not rows:
        return html.P("The answer has no rows.", className="soft")
    definitions = [_column(place, column, [row[place] for row in rows[:50]]) for place, column in enumerate(columns)]
    values = [{str(place): _cell(value) for place, value in enumerate(row)} for row in rows]
    count = int(answer.get("row_count", len(rows)))
    note = (
        f"The first {len(rows):,} of {count:,} rows; downloads have them all."
        if answer.get("truncated")
        else f"{count:,} row{'' if count == 1 else 's'}."
    )
    size: dict[str, Any] = {"style": {"height": "420px"}}
    if len(rows) <= 12:
        size = {"style": {"height": None}, "dashGridOptions": {"domLayout": "autoHeight"}}
    return html.Div([grid(name, definitions, values, **size), html.P(note, className="soft")])


def _column(place: int, name: str, values: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"field": str(place), "headerName": name, "minWidth": 110, "flex": 1}
    if any(is_number(value) for value in values) and all(value is None or is_number(value) for value in values):
        found |= {"type": "rightAligned", "filter": "agNumberColumnFilter"}
        found |= {"valueFormatter": {"function": "answerCell(params.value)"}}
    return found


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
