"""TOPK: the examples with the highest values of a column (thesis Table 5.1, few columns, few rows)."""

from __future__ import annotations

from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.errors import InvalidInputError
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


def topk(
    store: Mistique, key: str, k: int = 10, *, largest: bool = True, strategy: Strategy = "auto"
) -> DiagnosticResult:
    """Return the `k` examples with the largest (or smallest) values of one column.

    Ties are broken by row id, ascending; missing values never qualify.

    Parameters
    ----------
    store
        An open store.
    key
        Key of one column.
    k
        Number of examples, at least 1.
    largest
        Whether the largest values are wanted.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Raises
    ------
    InvalidInputError
        If `k` is not positive, the key names no single column, or its values have no order.
    """
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InvalidInputError(f"k={k!r} is not a number of examples; give an integer of at least 1")
    if IntermediateKey.parse(key).column == ALL_COLUMNS:
        raise InvalidInputError(f"topk ranks one column, but {key!r} names all; add its name to the key")
    result = store.get_intermediates(key, strategy=strategy)
    column = result.to_pandas().sort_index().iloc[:, 0].dropna()
    if not (column.dtype.kind in "iufbmM" or getattr(column.dtype, "ordered", False)):
        raise InvalidInputError(
            f"column {column.name!r} of dtype {column.dtype} has no order to rank by; name a number"
        )
    top = column.sort_values(ascending=not largest, kind="stable").head(k)
    side = "largest" if largest else "smallest"
    values = f", from {top.iloc[0]} to {top.iloc[-1]}" if len(top) else ""
    sentence = f"The {len(top)} {side} values of {column.name} in {result.plan.targets[0].label}{values}."
    return DiagnosticResult("topk", top.to_frame(), sentence, result.plan)
