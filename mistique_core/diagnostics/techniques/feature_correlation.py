"""Which features go with a column, or with the errors of a model? (thesis Table 5.2, many columns, many rows)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.features import read_features
from mistique_core.diagnostics.reading import Key, Keys, RowIds, Table, Where
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.correlation import correlations
from mistique_core.diagnostics.wording import listed, short_names
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def feature_correlation(
    store: Mistique,
    keys: Keys,
    target: Key,
    *,
    prediction: Key | None = None,
    method: str = "pearson",
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return how much each feature is correlated with a column or with residuals, the most correlated first.

    Each correlation is over the rows where both sides are finite numbers. It is missing where one side is constant or
    fewer than two rows are known. The map of a unit counts as its mean.

    Parameters
    ----------
    store
        An open store.
    keys
        Key of an intermediate, or of some of its columns or units; the other two columns are left out of it, and so
        are columns that hold no numbers, which are named in ``facts["skipped"]``.
    target
        Key of a column of numbers or truth values.
    prediction
        Key of a prediction of `target`; then the residuals, target minus prediction, are correlated with.
    method
        ``pearson``, or ``spearman``: of ranks.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a feature: ``correlation`` and ``rows``. ``arrays["row_id"]`` are the rows that were read.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, or the target or the prediction holds no numbers.
    NotFoundError
        If a key or a row id does not exist.
    """
    beside = [IntermediateKey.parse(key) for key in (target, prediction) if key is not None]
    if len(set(beside)) < len(beside):
        raise InvalidInputError(f"feature_correlation got {beside[0]} as target and as prediction; name two columns")
    found = read_features(store, [keys], beside, row_id=row_id, where=where, strategy=strategy)
    features = found.features[0]
    sides = [_numbers(found.beside, key) for key in beside]
    with np.errstate(invalid="ignore"):
        wanted = sides[0] if prediction is None else sides[0] - sides[1]
    values, rows = correlations(features.means, wanted, method)
    table = pd.DataFrame({"correlation": values, "rows": rows}, index=pd.Index(features.names, name="feature"))
    order = np.argsort(-np.nan_to_num(np.abs(values), nan=-1.0), kind="stable")
    table = table.iloc[order]
    name = beside[0].column if prediction is None else f"the residual {' - '.join(short_names(beside))}"
    facts = {"target": name, "method": method, "skipped": list(features.skipped), "rows": len(features.row_id)}
    arrays = {ROW_ID: features.row_id}
    sentence = _sentence(table, name, method, features.skipped)
    return DiagnosticResult(
        "feature_correlation", table, sentence, found.plan, facts, arrays, max_abs_error=found.max_abs_error
    )


def _numbers(beside: Table, key: IntermediateKey) -> np.ndarray:
    column = beside.column(key)
    if column.dtype.kind not in "iufb" or isinstance(column.dtype, pd.CategoricalDtype):
        raise InvalidInputError(f"{key} holds {column.dtype}, where numbers are needed; name a column of numbers")
    return column.to_numpy("float64", na_value=np.nan)


def _sentence(table: pd.DataFrame, name: str, method: str, skipped: tuple[str, ...]) -> str:
    known = table["correlation"].dropna()
    left_out = f"; skipped {listed(skipped)}, which hold no numbers" if skipped else ""
    if not len(known):
        return f"No feature is correlated with {name}: one side is constant, or too few values are known{left_out}."
    top = ", ".join(f"{feature} ({value:+.3f})" for feature, value in known.head(3).items())
    return f"Most correlated with {name} ({method}) of {len(table):,} features: {top}{left_out}."
