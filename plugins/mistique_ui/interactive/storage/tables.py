"""The tables of the storage page: models, schemes, gamma of each intermediate, what goes next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mistique_core.store import ModelStatistics
from mistique_core.store.savings import SchemeShare
from mistique_core.store.worth import IntermediateWorth, Leaving
from mistique_ui.interactive.theme import grid

_BYTES = {"function": "bytes(params.value)"}
_NUMBER = {"function": "significant(params.value)"}
_WHOLE = {"function": "whole(params.value)"}


def _number(field: str, title: str, formatter: dict[str, str], tip: str = "", **options: Any) -> dict[str, Any]:
    return {
        "field": field,
        "headerName": title,
        "headerTooltip": tip or None,
        "type": "rightAligned",
        "filter": "agNumberColumnFilter",
        "valueFormatter": formatter,
        **options,
    }


def _sized(rows: int, most: int = 12) -> dict[str, Any]:
    """Return the options of a table that is as high as its rows, up to `most` of them."""
    if rows <= most:
        return {"style": {"height": None}, "dashGridOptions": {"domLayout": "autoHeight"}}
    return {"style": {"height": f"{38 + 32 * most}px"}}


def models_grid(models: Sequence[ModelStatistics]) -> Any:
    """Return one row a model: what it logged and what it added."""
    columns = [
        {"field": "project", "headerName": "Project", "flex": 1},
        {"field": "model", "headerName": "Model", "flex": 1},
        _number("versions", "Versions", _WHOLE, width=115),
        _number("intermediates", "Intermediates", _WHOLE, width=150),
        _number("reused_stages", "Reused stages", _WHOLE, width=150),
        _number("logical_bytes", "Logged", _BYTES, width=115),
        _number("stored_bytes", "Added", _BYTES, "Encoded bytes that nothing before it had stored", width=115),
        _number("share", "Added of logged", {"function": "percent(params.value)"}, width=165),
    ]
    rows = [
        {
            "project": item.project,
            "model": item.model,
            "versions": item.versions,
            "intermediates": item.intermediates,
            "reused_stages": item.reused_stages,
            "logical_bytes": item.logical_bytes,
            "stored_bytes": item.stored_bytes,
            "share": item.stored_bytes / item.logical_bytes if item.logical_bytes else None,
        }
        for item in models
    ]
    return grid("storage-models", columns, rows, **_sized(len(rows)))


def schemes_grid(schemes: Sequence[SchemeShare]) -> Any:
    """Return one row a scheme."""
    columns = [
        {"field": "scheme", "headerName": "Scheme", "flex": 1, "minWidth": 120},
        _number("columns", "Columns", _WHOLE, "Distinct columns, or groups of units", width=115),
        _number("logged", "Logged", _BYTES, "All mentions", width=105),
        _number("values", "Values", _BYTES, "Each content once", width=105),
        _number("stored", "Stored", _BYTES, "Encoded", width=105),
    ]
    rows = [
        {
            "scheme": item.scheme,
            "columns": item.columns,
            "logged": item.logged_bytes,
            "values": item.logical_bytes,
            "stored": item.stored_bytes,
        }
        for item in schemes
    ]
    return grid("storage-schemes", columns, rows, **_sized(len(rows)))


def worth_grid(items: Sequence[IntermediateWorth]) -> Any:
    """Return one row an intermediate, with gamma and its terms."""
    columns = [
        {"field": "name", "headerName": "Intermediate", "flex": 1, "minWidth": 190},
        {"field": "kept", "headerName": "Stored", "width": 95},
        _number("queries", "n_query", _WHOLE, "Queries that asked for it so far", width=120),
        _number("logged", "Logged", _BYTES, width=110),
        _number("amortised", "Share stored", _BYTES, "A column that n intermediates hold counts 1/n", width=145),
        _number("read", "Read", {"function": "seconds(params.value)"}, "Estimate of reading all of it", width=100),
        _number("rerun", "Re-run", {"function": "seconds(params.value)"}, "Estimate of re-running it", width=105),
        _number(
            "gamma",
            "Gamma (s/GB)",
            _NUMBER,
            "Seconds of query time saved per GB stored: (re-run - read) x n_query / GB (thesis Eq. 5.5)",
            width=155,
        ),
        _number("once", "Per query", _NUMBER, "What the next query adds to gamma, in s/GB", width=125),
    ]
    return grid("storage-worth", columns, [_worth_row(item) for item in items], **_sized(len(items), 14))


def _worth_row(item: IntermediateWorth) -> dict[str, Any]:
    gigabytes = item.amortised_bytes / 1e9
    saved = None if item.rerun_seconds is None else item.rerun_seconds - item.read_seconds
    return {
        "name": item.label.rpartition(".")[2],
        "kept": "yes" if item.is_kept else "not all",
        "queries": item.queries,
        "logged": item.logical_bytes,
        "amortised": item.amortised_bytes,
        "read": item.read_seconds,
        "rerun": item.rerun_seconds,
        "gamma": item.gamma if item.gamma is None or math.isfinite(item.gamma) else "∞",
        "once": saved / gigabytes if saved is not None and gigabytes else None,
    }


def leaving_grid(items: Sequence[Leaving]) -> Any:
    """Return what goes next, the first first."""
    columns = [
        _number("place", "Next", _WHOLE, width=80),
        {"field": "name", "headerName": "Intermediate", "flex": 1, "minWidth": 200},
        _number("columns", "Columns", _WHOLE, width=100),
        _number("gamma", "Gamma (s/GB)", _NUMBER, width=155),
        _number("freed", "Frees", _BYTES, "Bytes that nothing else holds, once all above have gone", width=110),
    ]
    rows = [
        {
            "place": place,
            "name": item.label,
            "columns": item.columns,
            "gamma": item.gamma if math.isfinite(item.gamma) else "∞",
            "freed": item.freed_bytes,
        }
        for place, item in enumerate(items, 1)
    ]
    return grid("storage-leaving", columns, rows, **_sized(len(rows)))
