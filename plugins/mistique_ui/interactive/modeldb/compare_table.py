"""Runs side by side as a grid: names down and runs across for a few, runs down and names across for many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mistique_core.modeldb.compare.records import RunTable
from mistique_core.modeldb.filter.syntax import Field
from mistique_core.modeldb.filter.write import write_field
from mistique_core.modeldb.search_records import FoundRun
from mistique_ui.interactive.modeldb.run_rows import BADGE, LINK, plain

MOST_ACROSS = 12
"""Up to so many runs each is a column."""
MOST_NAMES = 20
_NUMBER = {"valueFormatter": {"function": "significant(params.value)"}}


def names_down(
    table: RunTable, labels: Sequence[str], *, with_equal: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (columns, rows): a row for each hyperparameter and metric that differs, or each at all."""
    columns = [
        {"field": "name", "headerName": "Name", "pinned": "left", "width": 230, "tooltipField": "name"},
        {"field": "kind", "headerName": "Kind", "width": 150},
        {"field": "same", "headerName": "Across runs", "width": 110},
        *(
            {
                "field": f"r{number}",
                "headerName": label,
                "headerTooltip": label,
                "type": "rightAligned",
                "minWidth": 120,
                "wrapHeaderText": True,
                "autoHeaderHeight": True,
                "flex": 1,
                **_NUMBER,
            }
            for number, label in enumerate(labels)
        ),
    ]
    rows = []
    for kind, names, values, differing in (
        ("metric", table.metric_names, table.metrics, table.differing_metrics),
        ("hyperparameter", table.parameter_names, table.parameters, table.differing_parameters),
    ):
        shown = len(names) if with_equal else differing
        for at in range(shown):
            cells = {f"r{number}": _cell(value) for number, value in enumerate(values[at])}
            rows.append({"name": names[at], "kind": kind, "same": "differs" if at < differing else "equal", **cells})
    rows.sort(key=lambda row: row["same"] == "equal")
    return columns, rows


def differing_fields(table: RunTable) -> list[str]:
    """Return the fields that differ: metrics, then hyperparameters, those that most runs have first."""
    metrics = table.metric_names[: table.differing_metrics]
    known = [sum(value is not None for value in row) for row in table.parameters[: table.differing_parameters]]
    order = sorted(range(len(known)), key=lambda at: (-known[at], table.parameter_names[at]))
    fields = [Field("metrics", name) for name in metrics] + [Field("params", table.parameter_names[at]) for at in order]
    return [write_field(field) for field in fields]


def first_fields(table: RunTable) -> list[str]:
    """Return the first fields that differ of either kind."""
    fields = differing_fields(table)
    params = [name for name in fields if name.startswith("params.")]
    metrics = [name for name in fields if name.startswith("metrics.")]
    kept = metrics[: max(MOST_NAMES // 2, MOST_NAMES - len(params))]
    return [*kept, *params[: MOST_NAMES - len(kept)]]


def runs_down(
    table: RunTable, runs: Sequence[FoundRun], links: Sequence[str], fields: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (columns, rows): a row for each run, a column for each field."""
    places = {
        write_field(Field("params", name)): (table.parameters, at) for at, name in enumerate(table.parameter_names)
    }
    places |= {write_field(Field("metrics", name)): (table.metrics, at) for at, name in enumerate(table.metric_names)}
    columns: list[dict[str, Any]] = [
        {"field": "model", "headerName": "Model version", "cellRenderer": LINK, "pinned": "left", "width": 220},
        {"field": "state", "headerName": "State", "cellRenderer": BADGE, "width": 100},
    ]
    columns += [
        {"field": name, "headerName": name.partition(".")[2], "headerTooltip": name, "width": 130, **_NUMBER}
        for name in fields
    ]
    rows = []
    for number, (run, link) in enumerate(zip(runs, links, strict=True)):
        kind = run.run_type if run.run_type in ("trial", "refit") else None
        row: dict[str, Any] = {"model": run.label, "href": link, "kind": kind, "state": run.state}
        for name in fields:
            if name in places:
                values, at = places[name]
                row[name] = _cell(values[at][number])
        rows.append(row)
    return columns, rows


def _cell(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else plain(value)
