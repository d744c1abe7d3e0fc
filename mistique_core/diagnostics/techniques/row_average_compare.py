"""A row against the averages of a group: in what is it unusual? (thesis 5.2.2, question iv)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.features import read_features
from mistique_core.diagnostics.reading import Key, Keys, Where
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.group_means import deviations, in_deviations
from mistique_core.diagnostics.values.groups import groups_of, position_of
from mistique_core.diagnostics.wording import listed, number
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def row_average_compare(
    store: Mistique,
    keys: Keys,
    row_id: int,
    *,
    group: Key | None = None,
    label: str | float | bool | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Compare the values of a row with the averages of a group of rows, the most unusual one first.

    The z-score is the value minus the average, in standard deviations of the group (of the sample). It is 0 where the
    group is constant and the row is as the group, infinite where it is not; missing where the row has no value or the
    group has fewer than two. NaN, missing values and infinities are no part of averages. A map counts as its mean.

    Parameters
    ----------
    store
        An open store.
    keys
        Key of an intermediate, or of some of its columns or units. Columns without numbers are left out and named.
    row_id
        The row.
    group
        Key of a column whose values form the groups; without one, all rows are the group.
    label
        The group to compare with: a value of `group`. By default the group of the row, which is part of it.
    where
        Only rows for which predicates hold are in the group; the row itself need not.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a column: ``value``, ``average``, ``deviation``, ``z``, and ``rows``, of which the average is.
        ``arrays["row_id"]`` is the row.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, `label` is no group, or the group has no rows.
    NotFoundError
        If a key or the row does not exist.
    """
    if label is not None and group is None:
        raise InvalidInputError(f"label={label!r} names a group, but group is missing; name the column of the groups")
    beside = [] if group is None else [group]
    found = read_features(store, [keys], beside, where=where, strategy=strategy)
    features = found.features[0]
    if row_id in features.row_id:
        own = features.means[features.place(row_id)]
        place: int | None = features.place(row_id)
    elif where:
        alone = read_features(store, [keys], beside, row_id=[row_id], strategy=strategy)
        own, place = alone.features[0].means[0], None
    else:
        raise NotFoundError(f"row_id {row_id} is not among the {len(features.row_id):,} rows of the question")
    chosen, name = np.ones(len(features.row_id), dtype=bool), "all rows"
    if group is not None:
        column = found.beside.column(group)
        groups = groups_of(column)
        if label is not None:
            wanted = position_of(groups, label)
        elif place is not None:
            wanted = int(groups.codes[place])
        else:
            wanted = position_of(groups, alone.beside.column(group).iloc[0])
        chosen, name = groups.codes == wanted, f"{IntermediateKey.parse(group).column} = {groups.names[wanted]}"
    if not chosen.any():
        raise InvalidInputError(f"no row is left to compare row {row_id} with; widen 'where'")
    members = features.means[chosen]
    average, spread = deviations(members)
    value = own.astype(np.float64)
    with np.errstate(invalid="ignore"):
        score = in_deviations(value - average, spread)
    table = pd.DataFrame(
        {
            "value": value,
            "average": average,
            "deviation": spread,
            "z": score,
            "rows": np.isfinite(members).sum(axis=0),
        },
        index=pd.Index(features.names, name="column"),
    )
    order = np.argsort(-np.nan_to_num(np.abs(score), nan=-1.0, posinf=np.inf), kind="stable")
    table = table.iloc[order]
    facts = {"row_id": row_id, "group": name, "group_rows": int(chosen.sum()), "skipped": list(features.skipped)}
    arrays = {ROW_ID: np.array([row_id], dtype=np.int64)}
    return DiagnosticResult(
        "row_average_compare",
        table,
        _sentence(table, facts),
        found.plan,
        facts,
        arrays,
        max_abs_error=found.max_abs_error,
    )


def _sentence(table: pd.DataFrame, facts: dict[str, object]) -> str:
    top = table.iloc[0]
    skipped = facts["skipped"]
    assert isinstance(skipped, list)
    left_out = f"; left out {listed(skipped)}, which hold no numbers" if skipped else ""
    against = f"{facts['group']} ({facts['group_rows']:,} rows)"
    if pd.isna(top["z"]):
        return f"Row {facts['row_id']} cannot be compared with {against}: no column has enough values{left_out}."
    return (
        f"Row {facts['row_id']} differs most from the average of {against} in {table.index[0]}: "
        f"{number(top['value'])} instead of {number(top['average'])}, {number(top['z'])} standard deviations{left_out}."
    )
