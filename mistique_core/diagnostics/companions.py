"""Further columns beside the rows of an answer, such as truth and prediction of the nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mistique_core.diagnostics.reading import Key, joined_plan, read_columns
from mistique_core.diagnostics.result import as_json
from mistique_core.diagnostics.wording import short_names
from mistique_core.errors import NotFoundError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import QueryPlan, Strategy
from mistique_core.store import Mistique


def with_companions(
    store: Mistique, frame: pd.DataFrame, keys: Key | Sequence[Key], plan: QueryPlan, strategy: Strategy
) -> tuple[pd.DataFrame, QueryPlan]:
    """Return a frame with further columns, and the plan of all that was read.

    Parameters
    ----------
    store
        An open store.
    frame
        One row an example, index ``row_id``.
    keys
        Keys of columns. Where an intermediate lacks a row, its value is missing.
    plan
        How `frame` was obtained.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Raises
    ------
    InvalidInputError
        If a column holds maps.
    NotFoundError
        If a key does not exist.
    """
    wanted = [IntermediateKey.parse(key) for key in ([keys] if isinstance(keys, str | IntermediateKey) else keys)]
    plans, taken = [plan], {str(name) for name in frame.columns}
    for key, name in zip(wanted, short_names(wanted), strict=True):
        column, asked = _read(store, key, frame.index, strategy)
        plans.append(asked)
        label = str(key) if name in taken else name
        taken.add(label)
        frame = frame.assign(**{label: column})
    return frame, joined_plan(plans)


def companions_of(store: Mistique, row_id: int, keys: Key | Sequence[Key], strategy: Strategy) -> dict[str, Any]:
    """Return the same columns of one row, as JSON values by name; raises as :func:`with_companions`."""
    if not keys:
        return {}
    alone = pd.DataFrame(index=pd.Index([row_id], name=ROW_ID))
    frame, _ = with_companions(store, alone, keys, QueryPlan(()), strategy)
    return {str(name): as_json(value) for name, value in frame.iloc[0].items()}


def _read(store: Mistique, key: IntermediateKey, ids: pd.Index, strategy: Strategy) -> tuple[pd.Series, QueryPlan]:
    try:
        found = read_columns(store, key, row_id=ids.to_numpy(), strategy=strategy)
    except NotFoundError:  # it may only lack some of the rows; a key that does not exist fails again
        found = read_columns(store, key, strategy=strategy)
    return found.frame.iloc[:, 0].reindex(ids), found.plan
