"""Rows and columns of a table of runs: a page of values, never all that a run has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mistique_core.modeldb.explore.records import MainModel
from mistique_core.modeldb.filter.parse import parse_field
from mistique_core.modeldb.search_records import FoundRun
from mistique_ui.interactive.viewer import Viewer

LINK = "MistiqueLink"
BADGE = "MistiqueBadge"
FACTS = {
    "run_type": "Kind",
    "seconds": "Took, s",
    "ended": "Ended",
    "project": "Project",
    "experiment": "Experiment",
    "author": "Author",
    "description": "Description",
    "dag_id": "DAG or script",
    "run_id": "Run",
    "source": "Recorded by",
    "id": "Run number",
}
"""Facts that can be chosen as columns -> head."""
_LONGEST = 200


def column_definitions(columns: Sequence[str], sort: Sequence[tuple[str, bool]] = ()) -> list[dict[str, Any]]:
    """Return the columns of the grid: model, type, state and start, then the chosen ones by kind."""
    chosen: dict[str, list[dict[str, Any]]] = {"": [], "params": [], "metrics": []}
    for name in columns:
        field = parse_field(name)
        shown = {"field": name, "headerName": field.name, "headerTooltip": name, "width": 125}
        if field.group == "metrics":
            shown |= {"type": "rightAligned", "valueFormatter": {"function": "significant(params.value)"}}
        elif field.group == "params":
            shown |= {"valueFormatter": {"function": "significant(params.value)"}, "tooltipField": name}
        elif field.name in FACTS:
            shown |= {"headerName": FACTS[field.name], "tooltipField": name}
            if field.name == "seconds":
                shown |= {"type": "rightAligned", "valueFormatter": {"function": "significant(params.value)"}}
            if field.name == "ended":
                shown |= {"valueFormatter": {"function": "localTime(params.value)"}, "width": 185}
        else:
            continue
        chosen[field.group].append(shown)
    version = {"field": "model", "headerName": "Model version", "cellRenderer": LINK, "minWidth": 200, "flex": 1}
    run = [
        {"field": "type", "headerName": "Model type", "tooltipField": "types", "width": 205},
        {"field": "state", "headerName": "State", "cellRenderer": BADGE, "width": 100},
        {
            "field": "started",
            "headerName": "Started",
            "valueFormatter": {"function": "localTime(params.value)"},
            "width": 185,
        },
    ]
    labels = [
        {"field": "life", "headerName": "Life stage", "width": 110},
        {"field": "tag", "headerName": "Tags", "tooltipField": "tag", "width": 120},
    ]
    groups = [
        {**version, "pinned": "left"},
        {"headerName": "Run", "children": run},
        {"headerName": "Metrics", "children": chosen["metrics"]},
        {"headerName": "Hyperparameters", "children": chosen["params"]},
        {"headerName": "About the run", "children": [*chosen[""], *labels]},
    ]
    order = dict(sort)
    for column in [groups[0], *(item for group in groups[1:] for item in group["children"])]:
        if column["field"] in order:
            column["sort"] = "desc" if order[column["field"]] else "asc"
            column["sortIndex"] = list(order).index(column["field"])
    return [group for group in groups if group.get("children") != []]


def row(viewer: Viewer, run: FoundRun, models: Sequence[MainModel], columns: Sequence[str]) -> dict[str, Any]:
    """Return a row of the grid."""
    main = models[0] if models else None
    about = f"/app/models/{main.id}" if main is not None else None
    page = viewer.address("/run", dag_id=run.dag_id, run_id=run.run_id)
    shown: dict[str, Any] = {
        "key": str(run.id),
        "run": run.id,
        "model": run.label,
        "href": page if about is None else viewer.address(about),
        "kind": run.run_type if run.run_type in ("trial", "refit") else None,
        "type": None if main is None else main.type_name,
        "types": ", ".join(dict.fromkeys(item.type_name for item in models)),
        "state": run.state,
        "started": run.started_at,
        "life": ", ".join(dict.fromkeys(life for life in run.life_stages if life)) or None,
        "tag": ", ".join(run.tags) or None,
    }
    facts = {
        "run_type": run.run_type,
        "seconds": run.seconds,
        "ended": run.ended_at,
        "project": run.project,
        "experiment": run.experiment,
        "author": run.author,
        "description": run.description,
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "source": run.source,
        "id": run.id,
    }
    for name in columns:
        field = parse_field(name)
        if field.group in ("metrics", "params"):
            shown[name] = _value(run.metrics if field.group == "metrics" else run.hyperparameters, field.name)
        elif field.name in facts:
            shown[name] = facts[field.name]
    return shown


def _value(values: Mapping[str, Any], name: str) -> Any:
    """Return the value of a name; several stages' values as one text."""
    if name in values:
        return plain(values[name])
    several = [value for key, value in values.items() if key.endswith(f".{name}")]
    return ", ".join(str(plain(value)) for value in several)[:_LONGEST] or None


def plain(value: Any) -> Any:
    """Return a value that JSON and a cell can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float):
        return value
    return value[:_LONGEST] if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:_LONGEST]
