"""Drift between two models: which intermediates differ, from which stage on, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.catalogue.version_stages import IntermediateNode, VersionGraph
from mistique_core.checkup.part import Part
from mistique_core.checkup.roles import graph_of, key_of
from mistique_core.diagnostics.reading import joined_plan
from mistique_core.diagnostics.values.difference import differences
from mistique_core.diagnostics.wording import number, percent
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.frames import ROW_ID
from mistique_core.planner import QueryPlan, Strategy
from mistique_core.store import Mistique

_MOST_COLUMNS, _MOST_ROWS = 12, 10_000


@dataclass
class _Drift:
    """What is known of one intermediate."""

    intermediate: str
    stage: str
    verdict: str
    rows_a: int | None
    rows_b: int | None
    equal_columns: int = 0
    different_columns: int = 0
    other_columns: int = 0
    most_different: str | None = None
    different_rows: int | None = None
    compared_rows: int | None = None
    mean_difference: float | None = None


def compare_models(store: Mistique, model_a: str, model_b: str, *, strategy: Strategy = "auto") -> Part:
    """Compare every intermediate of two model versions, by name.

    Content addresses tell which columns are equal, without reading any. Of an intermediate that differs, the first 12
    columns that do are read, on the first 10,000 rows at most, to say by how much.

    Parameters
    ----------
    store
        An open store.
    model_a, model_b
        ``project.model[@version]``; by default the latest complete versions.
    strategy
        ``auto``, ``read`` or ``rerun``, for the columns that are read.

    Returns
    -------
    Part
        One row an intermediate, in the order of the first model's pipeline, then those that only the second has.
        ``mean_difference`` is the mean absolute difference of the column that differs most, in standard deviations of
        the first model's. ``facts["first"]`` is the first intermediate that differs.

    Raises
    ------
    InvalidInputError
        If a name is malformed, or both name the same version.
    NotFoundError
        If there is no such model version.
    """
    first, second = graph_of(store, model_a), graph_of(store, model_b)
    if first.label == second.label:
        raise InvalidInputError(f"{model_a!r} and {model_b!r} are both {first.label}; name two models or versions")
    plans: list[QueryPlan] = []
    found = [_compared(store, first, second, node, strategy, plans) for node in first.intermediates]
    found += [
        _Drift(node.name, _stage(node), f"only in {second.label}", None, node.rows, other_columns=len(node.columns))
        for node in second.intermediates
        if first.intermediate(node.name) is None
    ]
    frame = pd.DataFrame([vars(item) for item in found], columns=list(_Drift.__dataclass_fields__))
    counts = ("rows_a", "rows_b", "different_rows", "compared_rows")
    frame = frame.astype(dict.fromkeys(counts, "Int64")).rename_axis("position")
    differing = [item for item in found if item.verdict != "equal"]
    facts = {
        "model_a": first.label,
        "model_b": second.label,
        "different": len(differing),
        "compared": len(found),
        "first": differing[0].intermediate if differing else None,
    }
    plan = joined_plan(plans) if plans else QueryPlan(())
    nobody = np.empty(0, dtype=np.int64)
    return Part("compare_models", frame, _sentence(found, differing, facts), plan, facts, {ROW_ID: nobody})


def _compared(
    store: Mistique,
    first: VersionGraph,
    second: VersionGraph,
    node: IntermediateNode,
    strategy: Strategy,
    plans: list[QueryPlan],
) -> _Drift:
    other = second.intermediate(node.name)
    if other is None:
        only = f"only in {first.label}"
        return _Drift(node.name, _stage(node), only, node.rows, None, other_columns=len(node.columns))
    drift = _Drift(node.name, _stage(node), "equal", node.rows, other.rows)
    if node.address == other.address:
        drift.equal_columns = len(node.columns)
        return drift
    addresses = {column.name: (column.version.address, column.unit) for column in other.columns}
    shared = [column for column in node.columns if column.name in addresses]
    same_rows = node.row_id_version == other.row_id_version
    equal = [item for item in shared if same_rows and addresses[item.name] == (item.version.address, item.unit)]
    different = [column.name for column in shared if column not in equal]
    drift.equal_columns, drift.different_columns = len(equal), len(different)
    drift.other_columns = len(node.columns) + len(other.columns) - 2 * len(shared)
    drift.verdict = _verdict(drift, same_rows)
    _measure(store, first, second, drift, different[:_MOST_COLUMNS], strategy, plans)
    return drift


def _verdict(drift: _Drift, same_rows: bool) -> str:
    told = [] if same_rows else ["other rows"]
    if drift.different_columns:
        told.append(f"{drift.different_columns} of {drift.different_columns + drift.equal_columns} columns differ")
    if drift.other_columns:
        told.append(f"{drift.other_columns} columns are in one model only")
    return ", ".join(told) or "columns in another order"


def _measure(
    store: Mistique,
    first: VersionGraph,
    second: VersionGraph,
    drift: _Drift,
    names: Iterable[str],
    strategy: Strategy,
    plans: list[QueryPlan],
) -> None:
    """Note the column that differs most, and by how much; rows that only one model has are not compared."""
    for name in names:
        keys = [key_of(graph, drift.intermediate, name) for graph in (first, second)]
        try:
            sides = [store.get_intermediates(key, n_ex=_MOST_ROWS, strategy=strategy) for key in keys]
        except NotFoundError:
            continue
        plans.extend(side.plan for side in sides)
        columns = [_one_number_a_row(side) for side in sides]
        shared = columns[0].index.intersection(columns[1].index)
        if shared.empty:
            continue
        left, right = (column.loc[shared] for column in columns)
        differs, distance = differences(left, right)
        spread = float(left.astype("float64").std()) if distance is not None else np.nan
        mean = None if distance is None else float(distance.mean()) / spread if spread > 0 else None
        rows = int(differs.sum())
        if drift.different_rows is None or _rank(rows, mean) > _rank(drift.different_rows, drift.mean_difference):
            drift.most_different, drift.different_rows, drift.mean_difference = name, rows, mean
            drift.compared_rows = len(shared)


def _one_number_a_row(side: Any) -> pd.Series:
    """Return a column; of maps their means."""
    if side.maps is None:
        column: pd.Series = side.frame.iloc[:, 0]
        return column
    maps = side.maps[..., 0]
    return pd.Series(maps.reshape(len(maps), -1).mean(axis=1), index=side.frame.index)


def _rank(rows: int, mean: float | None) -> tuple[float, int]:
    return (0.0 if mean is None or np.isnan(mean) else mean, rows)


def _stage(node: IntermediateNode) -> str:
    return "logged by hand" if node.stage is None else node.stage.operator


def _sentence(found: list[_Drift], differing: list[_Drift], facts: dict[str, Any]) -> str:
    pair = f"{facts['model_a']} and {facts['model_b']}"
    if not differing:
        return f"All {len(found)} intermediates of {pair} are equal."
    start, verb = differing[0], "differs" if len(differing) == 1 else "differ"
    sentence = f"{len(differing)} of {len(found)} intermediates {verb} between {pair}, from {start.intermediate!r} on"
    last = next((item for item in reversed(differing) if item.different_rows is not None), None)
    if last is None or last.compared_rows is None or last.different_rows is None:
        return f"{sentence}."
    share = percent(last.different_rows, last.compared_rows)
    by = "" if last.mean_difference is None else f", by {number(last.mean_difference)} standard deviations on average"
    return f"{sentence}; in {last.intermediate!r}, {last.most_different!r} differs for {share} of the rows{by}."
