"""POINTQ: what did a stage hold for an example? (thesis Table 5.1, few columns, few rows)"""

from __future__ import annotations

import numpy as np

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.reading import Keys, RowIds
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def pointq(store: Mistique, keys: Keys, row_id: RowIds, *, strategy: Strategy = "auto") -> DiagnosticResult:
    """Return the values of some columns, or the maps of some units, for some examples.

    Parameters
    ----------
    store
        An open store.
    keys
        Keys of columns, or of whole intermediates. Maps are of one intermediate.
    row_id
        One or more row ids; the answer keeps their order.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row an example. Maps have one column a cell, and are in ``arrays["maps"]`` (rows, height, width, units).

    Raises
    ------
    InvalidInputError
        If no row is named, or an argument is malformed.
    NotFoundError
        If a key or a row id does not exist.
    """
    wanted = np.atleast_1d(np.asarray(row_id, dtype=np.int64))
    result = store.get_intermediates(keys, row_id=wanted, strategy=strategy)
    frame = result.to_pandas()
    rows = f"row {wanted[0]}" if len(wanted) == 1 else f"{len(wanted)} rows"
    label = ", ".join(target.label for target in result.plan.targets)
    if result.maps is not None:
        height_width = " x ".join(map(str, result.maps.shape[1:-1]))
        what = f"maps of {height_width} of {len(result.names)} unit{'' if len(result.names) == 1 else 's'}"
        sentence = f"{label} holds these {what} for {rows}."
        units = np.asarray(result.names)
        return DiagnosticResult(
            "pointq",
            frame,
            sentence,
            result.plan,
            {},
            {"maps": result.maps, "units": units},
            max_abs_error=result.max_abs_error,
        )
    if frame.size == 1:
        sentence = f"{label} holds {frame.columns[0]} = {frame.iloc[0, 0]!s} for {rows}."
    else:
        sentence = f"{label} holds these {frame.shape[1]} columns for {rows}."
    return DiagnosticResult("pointq", frame, sentence, result.plan, max_abs_error=result.max_abs_error)
