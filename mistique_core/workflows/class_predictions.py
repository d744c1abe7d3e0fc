"""What a network's last layer predicts, beside the truth: a frame that the page of predictions finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mistique_core.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd


def class_predictions(
    layer: pd.DataFrame,
    labels: pd.DataFrame,
    label: str,
    classes: Sequence[Any] | None = None,
    *,
    are_logits: bool = True,
) -> pd.DataFrame:
    """Return the likeliest class, the probability of each class, and the label.

    For ``@task.stage(row_wise=True)``, :class:`~mistique_core.workflows.FunctionStage`, or plain code: each row of the
    result depends on its own row only, bit for bit.

    Parameters
    ----------
    layer
        (rows, classes) numbers, one column a class, in the order of the classes.
    labels
        Holds the truth of each of these rows (index ``row_id``), in any order; it may hold more rows.
    label
        Its column with the truth.
    classes
        Values of the label in the order of the layer's units. Default: the categories of a categorical label;
        else 0, 1, 2 and so on.
    are_logits
        Whether a softmax is still to be applied; if not, the layer holds probabilities.

    Returns
    -------
    DataFrame
        Rows of the layer: ``prediction``, with the label's type; ``probability_<class>`` float32; the label.

    Raises
    ------
    InvalidInputError
        If the label does not exist, lacks one of the rows, or has another number of classes than the layer has units;
        or if values are no probabilities although `are_logits` is false.
    """
    import numpy as np
    import pandas as pd

    from mistique_core.workflows.inputs import require_column

    truth = require_column(labels, label, "label")
    places = truth.index.get_indexer(layer.index)
    if (places < 0).any():
        missing = layer.index[places < 0]
        raise InvalidInputError(
            f"label {label!r} is not known for {len(missing)} of {len(layer)} rows, such as row {missing[0]}; "
            "give the labels of all rows"
        )
    truth = truth.iloc[places]
    is_categorical = isinstance(truth.dtype, pd.CategoricalDtype)
    if classes is None:
        classes = truth.cat.categories.tolist() if is_categorical else range(len(layer.columns))
    if len(classes) != len(layer.columns):
        raise InvalidInputError(
            f"label {label!r} has {len(classes)} classes, the layer {len(layer.columns)} units; give the layer with "
            "one unit a class, or classes=[...] in the order of the units"
        )
    # One memory layout: it decides the order in which the values of a row are added up.
    values = np.ascontiguousarray(layer.to_numpy(dtype=np.float64))
    if are_logits:
        values = np.exp(values - values.max(axis=1, keepdims=True))
        values /= values.sum(axis=1, keepdims=True)
    elif not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()):
        raise InvalidInputError("the layer's values are no probabilities; say are_logits=True if a softmax is missing")
    best = values.argmax(axis=1) if len(values) else np.empty(0, np.intp)
    if is_categorical:
        known = truth.cat.categories.get_indexer(pd.Index(classes))
        if (known < 0).any():
            raise InvalidInputError(f"class {classes[int((known < 0).argmax())]!r} is no category of label {label!r}")
        prediction: Any = pd.Categorical.from_codes(known[best], truth.cat.categories, truth.cat.ordered)
    else:
        prediction = pd.Index(classes).to_numpy()[best]
    columns = {"prediction": prediction}
    columns |= {f"probability_{name}": values[:, unit].astype(np.float32) for unit, name in enumerate(classes)}
    return pd.DataFrame({**columns, label: truth.array}, index=layer.index)
