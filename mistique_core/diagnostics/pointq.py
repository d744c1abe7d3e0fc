"""POINTQ: what did a stage hold for an example? (thesis Table 5.1, few columns, few rows)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.errors import InvalidInputError
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


def pointq(
    store: Mistique, keys: str | Sequence[str], row_id: int | Sequence[int], *, strategy: Strategy = "auto"
) -> DiagnosticResult:
    """Return the values of some columns for some examples.

    Parameters
    ----------
    store
        An open store.
    keys
        Keys of columns, or of whole intermediates.
    row_id
        One or more row ids; the answer keeps their order.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Raises
    ------
    InvalidInputError
        If no row is named.
    NotFoundError
        If a key or a row id does not exist.
    """
    wanted = [row_id] if isinstance(row_id, (int, np.integer)) else list(row_id)
    if not wanted:
        raise InvalidInputError("pointq needs at least one row; give row_id, such as row_id=[135]")
    result = store.get_intermediates(keys, row_id=wanted, strategy=strategy)
    frame = result.to_pandas()
    rows = f"row {wanted[0]}" if len(wanted) == 1 else f"{len(wanted)} rows"
    label = ", ".join(target.label for target in result.plan.targets)
    if frame.size == 1:
        sentence = f"{label} holds {frame.columns[0]} = {frame.iloc[0, 0]!s} for {rows}."
    else:
        sentence = f"{label} holds these {frame.shape[1]} columns for {rows}."
    return DiagnosticResult("pointq", frame, sentence, result.plan)
