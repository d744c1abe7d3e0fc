"""Predictions of a network's last layer, against scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.class_predictions import class_predictions

NAMES = ["cat", "dog", "frog"]
ROWS = pd.Index([7, 3, 12, 5], name="row_id")
LOGITS = pd.DataFrame(np.float32([[1, 5, 2], [90, -30, 4], [0, 0, 1e-3], [-800, 3, 800]]), index=ROWS)
TRUTH = pd.Categorical.from_codes([1, 0, 0, 2, 1], NAMES)
LABELS = pd.DataFrame({"class": TRUTH, "number": TRUTH.codes}, index=pd.Index([3, 5, 7, 12, 99], name="row_id"))


def test_a_softmax_and_the_truth_of_the_same_row() -> None:
    made = class_predictions(LOGITS, LABELS, "class")
    assert list(made) == ["prediction", "probability_cat", "probability_dog", "probability_frog", "class"]
    expected = softmax(LOGITS.to_numpy(np.float64), axis=1)
    np.testing.assert_allclose(made.filter(like="probability").to_numpy(), expected, rtol=1e-6, atol=1e-30)
    assert made["prediction"].tolist() == ["dog", "cat", "frog", "frog"]
    assert made["class"].tolist() == LABELS["class"].reindex(ROWS).tolist()
    assert made["prediction"].dtype == made["class"].dtype == LABELS["class"].dtype
    assert made.index.equals(ROWS)
    assert made.index.name == "row_id"
    assert np.isfinite(log_loss(made["class"], made.filter(like="probability").to_numpy(np.float64), labels=NAMES))


def test_numbers_and_classes_in_another_order() -> None:
    made = class_predictions(LOGITS, LABELS, "number")
    assert made["prediction"].tolist() == [1, 0, 2, 2]
    turned = class_predictions(LOGITS[[2, 0, 1]], LABELS, "class", ["frog", "cat", "dog"])
    straight = class_predictions(LOGITS, LABELS, "class")
    pd.testing.assert_frame_equal(turned[list(straight)], straight, check_exact=False, rtol=1e-6)


def test_rows_alone_have_the_same_bits() -> None:
    random = np.random.default_rng(0)
    layer = pd.DataFrame(random.standard_normal((501, 10)).astype(np.float32), columns=list("abcdefghij"))
    labels = pd.DataFrame({"y": random.integers(0, 10, 501)})
    whole = class_predictions(layer, labels, "y")
    for rows in ([0], [500, 3], range(100, 333)):
        some = class_predictions(layer.iloc[list(rows)], labels, "y")
        pd.testing.assert_frame_equal(some, whole.iloc[list(rows)], check_exact=True)


def test_probabilities_stay_as_they_are() -> None:
    shares = pd.DataFrame(np.float32([[0.2, 0.5, 0.3]]), index=ROWS[:1])
    made = class_predictions(shares, LABELS, "class", are_logits=False)
    assert made.filter(like="probability").to_numpy().tolist() == shares.to_numpy().tolist()
    with pytest.raises(InvalidInputError, match="no probabilities"):
        class_predictions(LOGITS, LABELS, "class", are_logits=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": LABELS.iloc[:3]}, "not known for 1 of 4 rows, such as row 12"),
        ({"label": "klass"}, "'klass' does not exist; did you mean 'class'"),
        ({"layer": LOGITS[[0, 1]]}, "has 3 classes, the layer 2 units"),
        ({"classes": ["cat", "dog", "horse"]}, "'horse' is no category of label 'class'"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], message: str) -> None:
    given = {"layer": LOGITS, "labels": LABELS, "label": "class", **changes}
    with pytest.raises(InvalidInputError, match=message):
        class_predictions(**given)  # type: ignore[arg-type]
