"""ROW_DIFF: in what do two rows differ most? (thesis Table 5.1, many columns, few rows)"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.features import Aligned, read_features
from mistique_core.diagnostics.reading import Keys, joined_plan, read_units
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.difference import differences
from mistique_core.diagnostics.values.group_means import deviations, in_deviations
from mistique_core.diagnostics.wording import number, of_all
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def row_diff(
    store: Mistique, keys: Keys, row_a: int, row_b: int, *, standardize: bool = True, strategy: Strategy = "auto"
) -> DiagnosticResult:
    """Compare two rows column by column, the largest difference first.

    Differences of numbers are in standard deviations of their column (of the sample, of all rows), so that columns of
    any scale can be compared; a constant column has 0. After them come columns that differ without a distance (text,
    categories, dates, one value missing), then those that are equal; two missing values are equal. The map of a unit
    counts as its mean; ``map_distance`` is the Euclidean distance of the two maps.

    Parameters
    ----------
    store
        An open store.
    keys
        Key of an intermediate, or of some of its columns or units.
    row_a, row_b
        Row ids.
    standardize
        Off reads two rows only, and sorts by plain differences.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a column: the values, ``difference`` (second minus first), ``deviations``, ``differs``.
        ``arrays["row_id"]`` are the two rows.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, or both rows are the same.
    NotFoundError
        If a key or a row does not exist.
    """
    if row_a == row_b:
        raise InvalidInputError(f"row_diff got row {row_a} twice; name two rows")
    pair = read_units(store, keys, row_id=[row_a, row_b], strategy=strategy)
    names = [f"row {row_a}", f"row {row_b}"]
    plans = [pair.plan]
    table = _of_columns(pair.frame, names) if pair.maps is None else _of_maps(pair.maps, pair.units, names)
    if standardize and table["difference"].notna().any():
        found = read_features(store, [keys], strategy=strategy)
        plans.append(found.plan)
        table["deviations"] = _in_deviations(table, found)
    measure = "deviations" if "deviations" in table else "difference"
    size = table[measure].abs().fillna(-1.0)
    order = np.lexsort(
        (np.arange(len(table)), -size.to_numpy(dtype=np.float64), ~table["differs"].to_numpy(dtype=bool))
    )
    table = table.iloc[order]
    arrays = {ROW_ID: np.array([row_a, row_b], dtype=np.int64)}
    sentence = _sentence(table, names, measure)
    facts = {"columns": len(table), "different_columns": int(table["differs"].sum()), "measure": measure}
    return DiagnosticResult(
        "row_diff", table, sentence, joined_plan(plans), facts, arrays, max_abs_error=pair.max_abs_error
    )


def _of_columns(pair: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    rows = [_compared(pair[label]) for label in pair.columns]
    table = pd.DataFrame(rows, columns=[*names, "difference", "differs"])
    for name in names:
        table[name] = table[name].infer_objects()
    return table.astype({"difference": "float64"}).set_axis(pd.Index(pair.columns, name="column"), axis=0)


def _compared(column: pd.Series) -> tuple[Any, Any, float, bool]:
    first, second = column.iloc[0], column.iloc[1]
    differs, _ = differences(column.iloc[:1].reset_index(drop=True), column.iloc[1:].reset_index(drop=True))
    is_number = column.dtype.kind in "iufb" and not isinstance(column.dtype, pd.CategoricalDtype)
    if not is_number or pd.isna(first) or pd.isna(second):
        return first, second, np.nan, bool(differs.iloc[0])
    with np.errstate(invalid="ignore"):
        apart = np.float64(second) - np.float64(first) if differs.iloc[0] else 0.0
    return first, second, float(apart), bool(differs.iloc[0])


def _of_maps(maps: npt.NDArray[Any], units: tuple[str, ...], names: list[str]) -> pd.DataFrame:
    flat = maps.reshape(2, -1, len(units)).astype(np.float64)
    means = flat.mean(axis=1)
    apart = np.sqrt(np.square(flat[1] - flat[0]).sum(axis=0))
    table = pd.DataFrame({names[0]: means[0], names[1]: means[1], "difference": means[1] - means[0]})
    table["differs"] = apart != 0
    table["map_distance"] = apart
    return table.set_axis(pd.Index(units, name="column"), axis=0)


def _in_deviations(table: pd.DataFrame, found: Aligned) -> npt.NDArray[np.float64]:
    features = found.features[0]
    _, spread = deviations(features.means)
    known = pd.Series(spread, index=list(features.names))
    names = [str(name) for name in table.index]
    if len(known) == len(names):
        known.index = pd.Index(names)
    aligned = np.asarray(known.reindex(names), dtype=np.float64)
    return in_deviations(np.asarray(table["difference"], dtype=np.float64), aligned)


def _sentence(table: pd.DataFrame, names: list[str], measure: str) -> str:
    told = (
        f"{names[0].capitalize()} and {names[1]} differ in {of_all(int(table['differs'].sum()), len(table), 'columns')}"
    )
    if not len(table) or not table["differs"].iloc[0]:
        return f"{told}."
    top = table.iloc[0]
    values = f"{table.index[0]} ({number(top[names[0]])} and {number(top[names[1]])}"
    apart = f", {number(float(top[measure]))} standard deviations" if measure == "deviations" else ""
    return f"{told}, most in {values}{apart if not pd.isna(top[measure]) else ''})."
