"""SVCCA: how similar are the representations of two layers? (thesis Algorithm 1; Table 5.2, many columns, many rows)"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.features import read_features
from mistique_core.diagnostics.reading import Keys, RowIds, Where
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.mean_cca import canonical_correlations
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique

_MOST_PRECISE_VALUES = 1 << 27


@checked
def svcca(
    store: Mistique,
    keys_a: Keys,
    keys_b: Keys,
    *,
    variance: float = 0.99,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return the canonical correlations of two layers' main directions, and their mean: the SVCCA coefficient.

    Each side is brought to the directions that explain `variance` of it; maps are flattened (see
    :func:`mistique_core.diagnostics.values.mean_cca.mean_cca`). One column, such as the logit of one class, is one
    direction: the coefficient is then its multiple correlation with the other side. Rows with NaN, missing values or
    infinities are left out and counted. It is computed in float64 up to 134 million values a side.

    Parameters
    ----------
    store
        An open store.
    keys_a, keys_b
        Keys of each side: of an intermediate, or of some of its columns or units; of any models.
    variance
        Share of each side's variance that its directions explain, above 0, at most 1.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a pair of directions with its ``correlation``, descending. ``facts["coefficient"]`` is their mean, the
        result of Algorithm 1 (``None`` where a side does not vary). ``arrays["row_id"]`` are the compared rows.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, a side has no numbers, or fewer than two complete rows are left.
    NotFoundError
        If a key or a row id does not exist.
    """
    found = read_features(store, [keys_a, keys_b], row_id=row_id, where=where, strategy=strategy)
    first, second = (features.flat for features in found.features)
    complete = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    ids = found.features[0].row_id[complete]
    left_out = int((~complete).sum())
    if len(ids) < 2:
        raise InvalidInputError(
            f"svcca needs two rows that both sides hold without missing values, but {len(ids)} of {len(complete)} are; "
            "leave out columns that miss many"
        )
    if left_out:
        first, second = first[complete], second[complete]
    correlations, sizes = canonical_correlations(_precise(first), _precise(second), variance)
    table = pd.DataFrame({"correlation": correlations}, index=pd.RangeIndex(1, len(correlations) + 1, name="direction"))
    coefficient = float(correlations.mean()) if len(correlations) else None
    names = [_name(keys) for keys in (keys_a, keys_b)]
    facts = {
        "coefficient": coefficient,
        "directions": list(sizes),
        "rows": len(ids),
        "left_out_rows": left_out,
        "names": names,
    }
    if coefficient is None:
        sentence = f"{names[0]} and {names[1]} cannot be compared: one of them does not vary over {len(ids):,} rows."
    else:
        sentence = (
            f"The SVCCA coefficient of {names[0]} ({sizes[0]} directions) and {names[1]} ({sizes[1]}) is "
            f"{coefficient:.4f} over {len(ids):,} rows."
        )
    return DiagnosticResult(
        "svcca", table, sentence, found.plan, facts, {ROW_ID: ids}, max_abs_error=found.max_abs_error
    )


def _precise(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values as float64, unless they would take more than a gigabyte: then as they are."""
    return values.astype(np.float64) if values.size <= _MOST_PRECISE_VALUES else values


def _name(keys: Keys) -> str:
    parsed = [IntermediateKey.parse(key) for key in ([keys] if isinstance(keys, str | IntermediateKey) else keys)]
    more = f" and {len(parsed) - 1} more" if len(parsed) > 1 else ""
    return f"{str(parsed[0]).removesuffix('.*')}{more}"
