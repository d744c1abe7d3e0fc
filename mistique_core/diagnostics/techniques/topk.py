"""TOPK: the examples with the highest values of a column (thesis Table 5.1, few columns, few rows)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.companions import with_companions
from mistique_core.diagnostics.reading import Key, RowIds, Where, read_units
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.ranking import map_scores, rank
from mistique_core.diagnostics.wording import number
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def topk(
    store: Mistique,
    key: Key,
    k: int = 10,
    *,
    largest: bool = True,
    by: str = "max",
    columns: Key | Sequence[Key] = (),
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return the `k` examples with the largest (or smallest) values of one column, or the strongest maps of a unit.

    Ties are broken by row id, ascending; missing values, NaN and maps that hold NaN never qualify, infinities do.

    Parameters
    ----------
    store
        An open store.
    key
        Key of one column or unit.
    k
        Number of examples, at least 1.
    largest
        Whether the largest values are wanted.
    by
        What ranks a map: its ``max``, ``mean`` or (Euclidean) ``norm``.
    columns
        Keys of further columns to show for these examples; missing where their intermediate lacks the row.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row an example, best first. ``arrays["maps"]`` (k, height, width) where the unit has maps.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, or the values have no order.
    NotFoundError
        If a key or a row id does not exist.
    """
    found = read_units(store, key, row_id=row_id, where=where, strategy=strategy)
    if found.maps is None:
        top = rank(found.frame.iloc[:, 0], k, largest=largest)
        arrays: dict[str, npt.NDArray[Any]] = {}
    else:
        name = f"{by} of unit {found.units[0]}"
        scores = pd.Series(map_scores(found.maps[..., 0], by), index=found.frame.index, name=name)
        top = rank(scores, k, largest=largest)
        arrays = {"maps": found.maps[scores.index.get_indexer(top.index), ..., 0]}
    frame, plan = with_companions(store, top.to_frame(), columns, found.plan, strategy)
    side = "largest" if largest else "smallest"
    values = f", from {number(top.iloc[0])} to {number(top.iloc[-1])}" if len(top) else ""
    sentence = f"The {len(top)} {side} values of {top.name} in {found.plan.targets[0].label}{values}."
    facts = {"rows": len(found.frame), "largest": bool(largest)}
    return DiagnosticResult("topk", frame, sentence, plan, facts, arrays, max_abs_error=found.max_abs_error)
