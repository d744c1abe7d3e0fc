"""A confusion matrix equals counting pairs in plain Python."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix as sklearn_matrix

from mistique_core import Mistique
from mistique_core.diagnostics import confusion_matrix
from mistique_core.errors import InvalidInputError

PAIRS = [
    ("first", "whole", "second", "whole"),
    ("first", "word", "second", "word"),
    ("first", "kind", "first", "word"),
    ("first", "flag", "second", "maybe"),
    ("first", "nullable", "other", "small"),
    ("first", "day", "second", "day"),
    ("first", "word", "far", "word"),
    ("first", "gone", "second", "whole"),
    ("single", "whole", "first", "small"),
    ("none", "whole", "none", "small"),
]


def counted(truth: pd.Series, prediction: pd.Series) -> tuple[Counter[tuple[Any, Any]], int]:
    """Return the pairs that occur, and how many common rows have a missing value."""
    common = truth.index.intersection(prediction.index)
    pairs = [(truth.loc[row], prediction.loc[row]) for row in common]
    complete = [pair for pair in pairs if not any(pd.isna(value) for value in pair)]
    return Counter(complete), len(pairs) - len(complete)


@pytest.mark.parametrize(("model", "truth", "other", "prediction"), PAIRS)
def test_every_kind_of_column(
    store: Mistique, frames: dict[str, pd.DataFrame], model: str, truth: str, other: str, prediction: str
) -> None:
    expected, missing = counted(frames[model][truth], frames[other][prediction])
    result = confusion_matrix(store, f"p.{model}.x.{truth}", f"p.{other}.x.{prediction}")
    classes = sorted({value for pair in expected for value in pair})
    assert list(result.frame.index) == classes
    assert result.frame.index.name == "truth"
    assert list(result.frame.columns) == [f"predicted {name}" for name in classes]
    counts = [[expected[(row, column)] for column in classes] for row in classes]
    assert result.frame.to_numpy().tolist() == counts
    right = sum(count for (row, column), count in expected.items() if row == column)
    total = sum(expected.values())
    assert result.facts == {"right_rows": right, "compared_rows": total, "missing_rows": missing, "normalize": "none"}
    assert result.sentence.startswith(f"{right} of {total} examples")


def test_it_equals_that_of_scikit_learn(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    frame = frames["first"]
    result = confusion_matrix(store, "p.first.x.whole", "p.first.x.small")
    assert result.frame.to_numpy().tolist() == sklearn_matrix(frame["whole"], frame["small"]).tolist()


def test_classes_of_mixed_kinds(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    frame = frames["first"].dropna(subset="word")
    result = confusion_matrix(store, "p.first.x.word", "p.first.x.whole")
    expected = Counter(zip(frame["word"], frame["whole"], strict=True))
    for (word, number), count in expected.items():
        assert result.frame.loc[word, f"predicted {number}"] == count
    assert result.facts["right_rows"] == 0


def test_numbers_are_no_classes(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"a": range(101), "b": range(1_000, 1_101)}))
        with pytest.raises(InvalidInputError, match="'a' and 'b' hold 202 classes, more than 200; name columns of lab"):
            confusion_matrix(store, "p.m.x.a", "p.m.x.b")


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ("p.first.x", "p.first.x.word", "names all columns, where one is needed"),
        ("p.first.x.word", "p.first.x.word", "as truth and as prediction; name two columns"),
        ("p.first.x.word", "p.first@1.x.word", "are one column of one version; name two columns"),
    ],
)
def test_keys_that_name_no_two_columns(store: Mistique, truth: str, prediction: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        confusion_matrix(store, truth, prediction)


@pytest.mark.parametrize(("normalize", "other"), [("truth", "true"), ("prediction", "pred"), ("all", "all")])
def test_shares_are_those_of_scikit_learn(
    models: Mistique, predictions: pd.DataFrame, normalize: str, other: str
) -> None:
    known = predictions.dropna(subset="kind_guess")
    result = confusion_matrix(models, "p.models.y.kind", "p.models.y.kind_guess", normalize=normalize)
    expected = sklearn_matrix(known["kind"], known["kind_guess"], normalize=other)
    np.testing.assert_allclose(result.frame, expected)
    codes = result.arrays["truth"], result.arrays["prediction"]
    classes = np.array(result.frame.index)
    assert classes[codes[0]].tolist() == known["kind"].loc[result.row_id].tolist()
    assert classes[codes[1]].tolist() == known["kind_guess"].loc[result.row_id].tolist()


def test_a_share_of_nothing_is_missing(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"t": [0, 0], "p": [0, 1]}))
        by_truth = confusion_matrix(store, "p.m.x.t", "p.m.x.p", normalize="truth").frame
    assert by_truth.fillna(-1).to_numpy().tolist() == [[0.5, 0.5], [-1, -1]]
