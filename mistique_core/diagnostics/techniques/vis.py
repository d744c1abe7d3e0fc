"""VIS: the average of each unit, or feature, for each class (thesis Table 5.2, Figures 5-1 and 5-11)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.features import Features, read_features
from mistique_core.diagnostics.reading import Key, Keys, RowIds, Where
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.group_means import deviations, group_means
from mistique_core.diagnostics.values.groups import Groups, everything, groups_of
from mistique_core.diagnostics.wording import listed, number
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def vis(
    store: Mistique,
    keys: Keys,
    group: Key | None = None,
    *,
    maps: str = "mean",
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return the average of each unit or feature over the examples of each class: what ActiVis draws.

    NaN and missing values are left out of averages, infinities are not; an average of nothing is NaN. Rows without a
    class form the class ``missing``. Columns that hold no numbers are left out and named in ``facts["skipped"]``.

    Parameters
    ----------
    store
        An open store.
    keys
        Key of a layer or table, or of some of its units or columns; the column of the classes is left out of it.
    group
        Key of the column of the classes; numbers with more than 20 different values form quartiles. Without one, all
        rows are one class.
    maps
        ``mean`` counts a map as its mean; ``cells`` also averages maps cell by cell.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a unit, one column a class. ``arrays`` has ``row_id`` of the examples, ``deviation`` and ``overall``
        of each unit and, for ``cells``, ``maps`` (classes, height, width, units).

    Raises
    ------
    InvalidInputError
        If an argument is malformed, there are no numbers, or more than 200 classes; or if cells are asked for where
        there are no maps.
    NotFoundError
        If a key or a row id does not exist.
    """
    beside = [] if group is None else [IntermediateKey.parse(group)]
    found = read_features(store, [keys], beside, row_id=row_id, where=where, strategy=strategy)
    features = found.features[0]
    if maps == "cells" and not features.is_maps:
        raise InvalidInputError(f"{features.names[0]!r} has no maps to average by cells; leave out maps='cells'")
    column = None if group is None else found.beside.column(beside[0])
    groups = everything(len(features.row_id), "all") if column is None else groups_of(column, 4)
    values = features.means
    averages, _ = group_means(values, groups.codes, len(groups.names))
    table = pd.DataFrame(averages.T, index=pd.Index(features.names, name="unit"), columns=list(groups.names))
    overall, deviation = deviations(values)
    arrays = {ROW_ID: features.row_id, "overall": overall, "deviation": deviation}
    if maps == "cells":
        arrays["maps"] = _by_cells(features, groups)
    facts: dict[str, object] = {
        "classes": [{"class": name, "rows": int(rows)} for name, rows in zip(groups.names, groups.sizes, strict=True)],
        "group": None if group is None else beside[0].column,
        "is_units": features.is_units,
        "skipped": list(features.skipped),
    }
    sentence = _sentence(table, deviation, len(features.row_id), facts)
    return DiagnosticResult("vis", table, sentence, found.plan, facts, arrays, max_abs_error=found.max_abs_error)


def _by_cells(features: Features, groups: Groups) -> npt.NDArray[np.float64]:
    means, _ = group_means(features.flat, groups.codes, len(groups.names))
    return means.reshape(len(groups.names), *features.values.shape[1:])


def _sentence(table: pd.DataFrame, deviation: npt.NDArray[np.float64], rows: int, facts: dict[str, object]) -> str:
    skipped = facts["skipped"]
    assert isinstance(skipped, list)
    left_out = f"; left out {listed(skipped)}, which hold no numbers" if skipped else ""
    told = f"Averages of {len(table):,} {'units' if facts['is_units'] else 'columns'} over {rows:,} rows"
    if table.shape[1] < 2:
        return f"{told}{left_out}."
    low, high = table.min(axis=1), table.max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = ((high - low).to_numpy() / np.where(deviation > 0, deviation, np.nan)).astype(np.float64)
    if not np.isfinite(apart).any():
        return f"{told} by {facts['group']}{left_out}; none differs between classes."
    unit = int(np.nanargmax(np.where(np.isfinite(apart), apart, np.nan)))
    values = table.iloc[unit]
    top = f"{'unit ' if facts['is_units'] else ''}{table.index[unit]}"
    most, least = (
        f"{number(float(values.iloc[place]))} for {values.index[place]}"
        for place in (int(values.argmax()), int(values.argmin()))
    )
    return f"{told} by {facts['group']}; {top} tells classes apart most: {most}, {least}{left_out}."
