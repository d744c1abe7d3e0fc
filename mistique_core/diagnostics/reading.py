"""Reading the columns of a question, which may belong to several models and intermediates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.predicate import Predicate
from mistique_core.errors import InvalidInputError
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import Fetched, QueryPlan, Strategy
from mistique_core.store import Mistique

Key = str | IntermediateKey
Keys = Key | Sequence[Key]
RowIds = int | Sequence[int] | npt.NDArray[Any]
Where = str | Predicate | Sequence[str | Predicate] | None


@dataclass(frozen=True)
class Table:
    """Columns or units of one or several intermediates, aligned by row id.

    Attributes
    ----------
    frame
        The columns, index ``row_id``: named by their names if all are of one intermediate, else by their keys. Without
        columns where the values are maps.
    plan
        How they were obtained.
    maps
        Where the values are maps: (rows, height, width, units).
    units
        Names of the units of `maps`.
    max_abs_error
        Bound of the absolute error of any value: 0.0 for lossless schemes, infinite where it is not known.
    """

    frame: pd.DataFrame
    plan: QueryPlan
    maps: npt.NDArray[Any] | None = None
    units: tuple[str, ...] = ()
    max_abs_error: float = 0.0

    def label(self, key: Key) -> str:
        """Return the name of a column in `frame`."""
        parsed = IntermediateKey.parse(key)
        return str(parsed) if str(parsed) in self.frame.columns else parsed.column

    def column(self, key: Key) -> pd.Series:
        """Return the column of a key."""
        return self.frame[self.label(key)]


def read_units(
    store: Mistique,
    keys: Keys,
    *,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> Table:
    """Read columns or units, on the row ids that all their intermediates hold.

    Parameters
    ----------
    store
        An open store.
    keys
        Keys of columns or of whole intermediates; those of maps of one intermediate only.
    row_id
        Only these rows, in their order; all by default.
    where
        Predicates in their normal form; a name with three dots is the key of a column anywhere in the store.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Raises
    ------
    InvalidInputError
        If maps are of several intermediates.
    NotFoundError
        If a key or a row id does not exist.
    """
    predicates = _predicates(where)
    own = [item for item in predicates if not names_a_key(item[0])]
    ids = None if row_id is None else np.atleast_1d(np.asarray(row_id, dtype=np.int64))
    found = store.get_intermediates(keys, row_id=ids, where=own or None, strategy=strategy)
    plans = [found.plan]
    matching = _matching_elsewhere(store, predicates, strategy, plans)
    table = Table(found.frame, joined_plan(plans), found.maps, found.names, found.max_abs_error)
    return table if matching is None else restricted(table, table.frame.index.isin(matching))


def read_columns(
    store: Mistique,
    keys: Keys,
    *,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> Table:
    """Read columns whose values are no maps; everything else is as in :func:`read_units`."""
    table = read_units(store, keys, row_id=row_id, where=where, strategy=strategy)
    if table.maps is not None:
        raise InvalidInputError(
            f"{table.units[0]!r} of {table.plan.targets[0].label} holds maps, where numbers or labels are needed; "
            "rank maps by topk, average them by vis"
        )
    return table


def restricted(table: Table, mask: npt.NDArray[np.bool_]) -> Table:
    """Return the rows of a table for which `mask` (rows,) holds."""
    if mask.all():
        return table
    maps = None if table.maps is None else table.maps[mask]
    return replace(table, frame=table.frame[mask], maps=maps)


def _matching_elsewhere(
    store: Mistique, predicates: Sequence[Predicate], strategy: Strategy, plans: list[QueryPlan]
) -> npt.NDArray[np.int64] | None:
    """Return the rows for which the predicates over keys hold, or ``None`` if there are none; notes their plans."""
    matching = None
    for name, symbol, value in predicates:
        if names_a_key(name):
            key = IntermediateKey.parse(name)
            found = store.get_intermediates(key, where=(key.column, symbol, value), strategy=strategy)
            plans.append(found.plan)
            matching = found.row_id if matching is None else np.intersect1d(matching, found.row_id)
    return matching


def _predicates(where: Where) -> tuple[Predicate, ...]:
    assert isinstance(where, tuple)  # the check of the parameter has normalised it
    return where


def names_a_key(name: str) -> bool:
    """Return whether the name in a predicate is a key of one column rather than a column's name."""
    if name.count(".") < 3:
        return False
    try:
        return IntermediateKey.parse(name).column != ALL_COLUMNS
    except InvalidInputError:
        return False


def joined_plan(plans: Iterable[QueryPlan]) -> QueryPlan:
    """Return the plan of several queries that were asked one after the other."""
    asked = list(plans)
    if len(asked) == 1:
        return asked[0]
    verdicts = [plan.verified for plan in asked if plan.verified is not None]
    fetched = [plan.fetched for plan in asked if plan.fetched is not None]
    return QueryPlan(
        tuple(target for plan in asked for target in plan.targets),
        measured_seconds=sum(plan.measured_seconds or 0.0 for plan in asked),
        verified=all(verdicts) if verdicts else None,
        fetched=Fetched(*map(sum, zip(*fetched, strict=True))) if fetched else None,
    )
