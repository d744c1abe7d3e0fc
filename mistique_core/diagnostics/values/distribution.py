"""How values are distributed: bins or counts by group, and a summary of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.values.groups import Groups, sorted_codes

MOST_VALUES = 200
_FEW_NUMBERS = 20


def distribution(column: pd.Series, groups: Groups, bins: int) -> pd.DataFrame:
    """Return how many rows of each group have which value, or lie in which bin.

    Numbers and dates with more than 20 different values are counted in `bins` of equal width between the smallest and
    the largest finite value; each holds its lower bound, the last one both. All others are counted by value; after
    the 200 most frequent ones comes ``other``.

    Parameters
    ----------
    column
        The values. Missing ones, NaN and infinities are in no bin.
    groups
        A group for each row.
    bins
        Number of bins.

    Returns
    -------
    pandas.DataFrame
        Index ``value``, one column a group; or index ``bin`` with the columns ``from`` and ``to`` before the groups.
    """
    known = column.notna().to_numpy(dtype=bool)
    if column.dtype.kind == "f":
        known = known & np.isfinite(column.to_numpy("float64", na_value=np.nan))
    values, codes, size = column[known], groups.codes[known], len(groups.names)
    is_scale = column.dtype.kind in "iufMm" and not isinstance(column.dtype, pd.CategoricalDtype)
    if is_scale and values.nunique() > _FEW_NUMBERS:
        return _binned(values, codes, groups, bins)
    places, found = sorted_codes(values)
    counts = np.bincount(places * size + codes, minlength=len(found) * size).reshape(len(found), size)
    table = pd.DataFrame(counts, index=pd.Index(found, name="value", dtype=object), columns=list(groups.names))
    if len(table) <= MOST_VALUES:
        return table
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    rest = pd.DataFrame([counts[order[MOST_VALUES:]].sum(axis=0)], index=["other"], columns=table.columns)
    return pd.concat([table.iloc[order[:MOST_VALUES]], rest]).rename_axis("value")


def _binned(values: pd.Series, codes: npt.NDArray[np.int64], groups: Groups, bins: int) -> pd.DataFrame:
    is_moment = values.dtype.kind in "Mm"
    plain = values.to_numpy().view("int64") if is_moment and isinstance(values.dtype, np.dtype) else values
    numbers = np.asarray(plain if not is_moment else pd.Series(plain).astype("int64"), dtype=np.float64)
    edges = np.histogram_bin_edges(numbers, bins=bins)
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, bins - 1)
    size = len(groups.names)
    counts = np.bincount(places * size + codes, minlength=bins * size).reshape(bins, size)
    bounds: Any = edges
    if is_moment:
        bounds = pd.Series(edges.astype("int64")).astype(values.dtype)
    low, high = pd.Series(bounds[:-1]).reset_index(drop=True), pd.Series(bounds[1:]).reset_index(drop=True)
    table = pd.DataFrame({"from": low, "to": high}, index=pd.RangeIndex(bins, name="bin"))
    for place, name in enumerate(groups.names):
        label = name if name not in ("from", "to") else f"group {name}"
        table[label] = counts[:, place]
    return table


def summary(column: pd.Series, groups: Groups) -> list[dict[str, Any]]:
    """Return rows, missing values and, of numbers, infinities, moments and quartiles of each group, as JSON values.

    Mean, standard deviation (of the sample) and quartiles (linear between values) are of the finite numbers; ``None``
    where there are too few.
    """
    return [_summary(column[groups.codes == place], name) for place, name in enumerate(groups.names)]


def _summary(column: pd.Series, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"group": name, "rows": len(column), "missing_rows": int(column.isna().sum())}
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind not in "iuf":
        return found
    numbers = column.to_numpy("float64", na_value=np.nan)
    finite = numbers[np.isfinite(numbers)]
    found["infinite_rows"] = int(np.isinf(numbers).sum())
    names = ("min", "q25", "median", "q75", "max")
    quartiles = np.quantile(finite, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(finite) else [None] * 5
    found["mean"] = float(finite.mean()) if len(finite) else None
    found["std"] = float(finite.std(ddof=1)) if len(finite) > 1 else None
    return {**found, **dict(zip(names, quartiles, strict=True))}
