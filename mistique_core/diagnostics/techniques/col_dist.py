"""COL_DIST: how are the values of a column distributed? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.reading import Key, RowIds, Where, read_columns
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.distribution import distribution, summary
from mistique_core.diagnostics.values.groups import everything, groups_of
from mistique_core.diagnostics.wording import number, percent
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def col_dist(
    store: Mistique,
    key: Key,
    *,
    group: Key | None = None,
    bins: int = 20,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Count the rows by value, or by bins of equal width, each group by itself.

    Numbers and dates with more than 20 different values are binned; ``facts["groups"]`` has their mean, standard
    deviation and quartiles, and how many are missing or infinite. Such are in no bin.

    Parameters
    ----------
    store
        An open store.
    key
        Key of the column.
    group
        Key of a column whose values form the groups; numbers with more than 20 different values form quartiles.
    bins
        Number of bins.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a value or bin, one column a group (``rows`` without groups). ``arrays["row_id"]`` are the rows.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, the column holds maps, or there are more than 200 groups.
    NotFoundError
        If a key or a row id does not exist.
    """
    wanted = [IntermediateKey.parse(item) for item in (key, group) if item is not None]
    found = read_columns(store, wanted, row_id=row_id, where=where, strategy=strategy)
    column = found.column(wanted[0])
    groups = everything(len(column), "rows") if group is None else groups_of(found.column(wanted[1]), 4)
    table = distribution(column, groups, bins)
    told = summary(column, groups)
    missing = int(column.isna().sum())
    facts = {"rows": len(column), "missing_rows": missing, "groups": told, "column": wanted[0].column}
    if group is not None:
        facts["group"] = wanted[1].column
    sentence = f"{wanted[0].column} of {len(column):,} rows{_center(column, table)}"
    sentence += f"; {missing:,} are missing ({percent(missing, len(column))})." if missing else "; none is missing."
    ids = found.frame.index.to_numpy(dtype=np.int64)
    return DiagnosticResult(
        "col_dist", table, sentence, found.plan, facts, {ROW_ID: ids}, max_abs_error=found.max_abs_error
    )


def _center(column: pd.Series, table: pd.DataFrame) -> str:
    if not len(table):
        return " has no values"
    if table.index.name == "value":
        counts = table.sum(axis=1)
        most = counts.idxmax()
        return f" has {len(table)} values, most often {number(most)} ({percent(int(counts.max()), int(counts.sum()))})"
    if column.dtype.kind in "Mm":
        return f" lies between {number(table['from'].iloc[0])} and {number(table['to'].iloc[-1])}"
    values = column.to_numpy("float64", na_value=np.nan)
    finite = values[np.isfinite(values)]
    low, middle, high = np.quantile(finite, [0.05, 0.5, 0.95])
    return f" has the median {number(middle)}; 90 % lie between {number(low)} and {number(high)}"
