"""KNN: which rows are most similar to a row? (thesis Table 5.1, many columns, few rows)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.companions import companions_of, with_companions
from mistique_core.diagnostics.features import read_features
from mistique_core.diagnostics.images import images_of
from mistique_core.diagnostics.reading import Key, Keys, Where
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.nearest import nearest
from mistique_core.diagnostics.wording import listed, ranked, span
from mistique_core.errors import InvalidInputError
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def knn(
    store: Mistique,
    keys: Keys,
    row_id: int,
    k: int = 10,
    *,
    metric: str = "euclidean",
    standardize: bool = False,
    columns: Key | Sequence[Key] = (),
    where: Where = (),
    exact: bool = False,
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return the `k` rows whose values are most similar to those of one row, nearest first.

    Ties are broken by row id, ascending. NaN, missing values and infinities are compared with nothing: distances are
    scaled up by what is missing, as scikit-learn's ``nan_euclidean_distances`` does. Columns that hold no numbers
    (text, categories, dates) are skipped and named in ``facts["skipped"]``. Each cell of a map is a number of its own.

    Parameters
    ----------
    store
        An open store.
    keys
        Key of an intermediate, or of some of its columns or units.
    row_id
        The row; it is not its own neighbour.
    k
        Number of neighbours, at least 1.
    metric
        ``euclidean``, or ``cosine``: 1 minus the cosine of the angle; 1 to a row of zeros.
    standardize
        Whether each column is centred and divided by its standard deviation first. Tables, whose columns have scales
        of their own, need it; layers do not.
    columns
        Keys of further columns to show for the neighbours, such as truth and prediction; for the row itself they are
        in ``facts["row"]``.
    where
        Only rows for which predicates hold are neighbours; the row itself must be among them.
    exact
        Over a layer that is stored by a lossy scheme: whether the answer must be that of full precision. Stored bounds
        rule out most rows, the others are re-run (:meth:`mistique_core.store.Mistique.nearest`). By Euclidean
        distance, of values as they are, among all rows.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a neighbour, with its ``distance``.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, there is no column of numbers, or the scheme gives no bounds to an exact answer.
    NotFoundError
        If a key or the row does not exist.
    """
    if exact:
        if metric != "euclidean" or standardize or where:
            raise InvalidInputError(
                "exact=True compares all rows by euclidean distance; leave out metric, standardize and where, or exact"
            )
        return _exact(store, keys, row_id, k, columns, strategy)
    found = read_features(store, [keys], where=where, strategy=strategy)
    features = found.features[0]
    place = features.place(row_id)
    near = nearest(features.flat, features.row_id, place, k, metric=metric, standardize=standardize)
    frame, plan = with_companions(store, near.to_frame(), columns, found.plan, strategy)
    own = companions_of(store, row_id, columns, strategy)
    skipped = f"; skipped {listed(features.skipped)}, which hold no numbers" if features.skipped else ""
    sentence = (
        f"{ranked(len(near), 'nearest')} of {len(features.row_id) - 1:,} rows to row {row_id} in "
        f"{found.plan.targets[0].label} by {_columns(len(features.names))}{_distances(metric, near)}{skipped}."
    )
    facts = {"row_id": row_id, "row": own, "metric": metric, "skipped": list(features.skipped)}
    return DiagnosticResult(
        "knn",
        frame,
        sentence,
        plan,
        facts,
        max_abs_error=found.max_abs_error,
        image_reader=images_of(store, keys),
    )


def _exact(
    store: Mistique, keys: Keys, row_id: int, k: int, columns: Key | Sequence[Key], strategy: Strategy
) -> DiagnosticResult:
    """Return the answer of full precision, and how it was found."""
    ranking = store.nearest(keys, row_id, k, exact=True, strategy=strategy)
    near = ranking.to_pandas()
    frame, plan = with_companions(store, near, columns, ranking.plan, strategy)
    own = companions_of(store, row_id, columns, strategy)
    sentence = (
        f"{ranked(len(near), 'nearest')} of {ranking.rows - 1:,} rows to row {row_id} in "
        f"{ranking.plan.targets[0].label}{_distances('euclidean', near.iloc[:, 0])}. {ranking.sentence}"
    )
    facts = {"row_id": row_id, "row": own, "metric": "euclidean", "exact": True, "rerun_rows": ranking.rerun_rows}
    return DiagnosticResult("knn", frame, sentence, plan, facts, image_reader=images_of(store, keys))


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _distances(metric: str, near: pd.Series[Any]) -> str:
    if near.empty:
        return ""
    return f", at {metric} {'distance' if len(near) == 1 else 'distances'} {span(near.tolist())}"
