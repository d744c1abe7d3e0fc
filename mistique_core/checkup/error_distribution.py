"""How the errors of a prediction of amounts are distributed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.checkup.part import Part
from mistique_core.diagnostics.reading import Key, read_columns
from mistique_core.diagnostics.wording import number
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.planner import Strategy
from mistique_core.store import Mistique

BINS = 40


def residuals(store: Mistique, truth: str, prediction: str, *, strategy: Strategy = "auto") -> Part:
    """Return the distribution of prediction minus truth, in bins of equal width.

    Parameters
    ----------
    store
        An open store.
    truth, prediction
        Keys of one column of numbers each.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    Part
        One row a bin: ``from`` (inclusive), ``to`` (exclusive, the last one inclusive) and ``examples``.

    Raises
    ------
    InvalidInputError
        If a column holds no numbers, or no row has both.
    NotFoundError
        If a key does not exist.
    """
    keys: list[Key] = [truth, prediction]
    found = read_columns(store, keys, where=(), strategy=strategy)
    right, predicted = (found.column(key) for key in keys)
    for key, column in ((truth, right), (prediction, predicted)):
        if column.dtype.kind not in "iuf":
            raise InvalidInputError(f"{key} holds {column.dtype}, where numbers are needed; ask for a confusion matrix")
    error = (predicted.astype("float64") - right.astype("float64")).dropna()
    error = error[np.isfinite(error)]
    if error.empty:
        raise InvalidInputError(f"no row has both {truth} and {prediction}; name columns of the same examples")
    counts, edges = np.histogram(error, bins=BINS)
    frame = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "examples": counts}).rename_axis("bin")
    half = error.abs().median()
    sentence = (
        f"Predictions are off by {number(float(error.mean()))} on average (too high if above 0); half of the "
        f"{len(error):,} errors are below {number(float(half))}, the largest is {number(float(error.abs().max()))}."
    )
    ids = error.index.to_numpy(dtype=np.int64)
    return Part("residuals", frame, sentence, found.plan, {"compared_rows": len(error)}, {ROW_ID: ids})
