"""TOPK: the examples with the highest values of a column (thesis Table 5.1, few columns, few rows)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.companions import with_companions
from mistique_core.diagnostics.images import images_of
from mistique_core.diagnostics.reading import Key, RowIds, Where, read_units
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.ranking import map_scores, rank
from mistique_core.diagnostics.wording import ranked, span
from mistique_core.errors import InvalidInputError
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
    exact: bool = False,
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
    exact
        Over a layer that is stored by a lossy scheme: whether the answer must be that of full precision. Stored bounds
        rule out most rows, the others are re-run (:meth:`mistique_core.store.Mistique.top_k`). Of all rows, and of maps
        by ``max`` or ``mean``.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row an example, best first. ``arrays["maps"]`` (k, height, width) where the unit has maps.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, the values have no order, or the scheme gives no bounds to an exact answer.
    NotFoundError
        If a key or a row id does not exist.
    """
    if exact:
        if row_id is not None or where:
            raise InvalidInputError("exact=True ranks all rows; leave out row_id and where, or exact")
        return _exact(store, key, k, largest, by, columns, strategy)
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
    sentence = _sentence(top, side, found.plan.targets[0].label)
    facts = {"rows": len(found.frame), "largest": bool(largest)}
    return DiagnosticResult("topk", frame, sentence, plan, facts, arrays, found.max_abs_error, images_of(store, key))


def _exact(
    store: Mistique, key: Key, k: int, largest: bool, by: str, columns: Key | Sequence[Key], strategy: Strategy
) -> DiagnosticResult:
    """Return the answer of full precision, and how it was found."""
    has_maps = store.get_intermediates(key, n_ex=1).maps is not None
    ranking = store.top_k(key, k, largest=largest, by=by if has_maps else "value", exact=True, strategy=strategy)
    top = ranking.to_pandas()
    frame, plan = with_companions(store, top, columns, ranking.plan, strategy)
    side = "largest" if largest else "smallest"
    sentence = f"{_sentence(top.iloc[:, 0], side, ranking.plan.targets[0].label)} {ranking.sentence}"
    facts = {"rows": ranking.rows, "largest": bool(largest), "exact": True, "rerun_rows": ranking.rerun_rows}
    return DiagnosticResult("topk", frame, sentence, plan, facts, image_reader=images_of(store, key))


def _sentence(top: pd.Series[Any], side: str, label: str) -> str:
    values = span(top.tolist())
    return f"{ranked(len(top), side, 'value')} of {top.name} in {label}{values and f', {values}'}."
