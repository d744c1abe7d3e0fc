"""What a check-up asks, compared with what plain pandas finds in the stored predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.checkup import check_up
from mistique_core.errors import InvalidInputError, NotFoundError


def test_a_classifier_is_looked_at_by_its_most_confident_errors(
    store: Mistique, predicted: dict[str, pd.DataFrame]
) -> None:
    frame = predicted["logistic"]
    wrong = frame[frame["sold"] != frame["prediction"]]
    sure = wrong[["probability_0", "probability_1"]].max(axis=1).sort_index()
    worst = sure.sort_values(ascending=False, kind="stable").index[:4].tolist()
    plan = check_up(store, "homes.logistic", examples=4)
    asked = {question.title: question.parameters for question in plan.questions}
    assert asked["The worst examples"]["row_id"] == worst
    assert asked["Neighbours of the worst example"]["row_id"] == worst[0]
    assert asked["Which classes are taken for which"] == {
        "truth": "homes.logistic@1.predictions.sold",
        "prediction": "homes.logistic@1.predictions.prediction",
    }
    assert asked["Errors by group"]["group"] == "homes.logistic@1.read.kind"
    assert [title for title in asked if title.startswith("The worst examples at stage ")] == [
        f"The worst examples at stage {name}" for name in ("read", "split_test", "scaled_test")
    ]
    told = " ".join(plan.told)
    assert "stage 'evaluate' evaluates it" in told
    assert f"worst of {len(wrong)} wrong examples" in told
    assert "it has 3 distinct values" in told


def test_a_regression_is_looked_at_by_its_largest_errors(store: Mistique, predicted: dict[str, pd.DataFrame]) -> None:
    frame = predicted["linear"]
    error = (frame["prediction"] - frame["price"]).abs()
    plan = check_up(store, "homes.linear", examples=3)
    asked = {question.title: question for question in plan.questions}
    assert asked["The worst examples"].parameters["row_id"] == error.nlargest(3).index.tolist()
    assert asked["Distribution of errors"].technique == "residuals"
    answer = asked["Distribution of errors"].ask(store)
    counts, edges = np.histogram(frame["prediction"] - frame["price"], bins=40)
    assert answer.frame["examples"].tolist() == counts.tolist()
    np.testing.assert_allclose(answer.frame["from"], edges[:-1])


@pytest.mark.parametrize(("model", "other"), [("logistic", "tree"), ("linear", "ridge")])
def test_every_question_of_two_models_has_an_answer_and_a_figure(store: Mistique, model: str, other: str) -> None:
    plan = check_up(store, f"homes.{model}", f"homes.{other}", most_stages=1)
    titles = [question.title for question in plan.questions]
    assert len(titles) == len(set(titles))
    assert titles[-1] == "Drift of the intermediates"
    assert sum(title.startswith("The worst examples at stage") for title in titles) == 1
    for question in plan.questions:
        answer = question.ask(store)
        assert answer.sentence
        assert answer.figure().data, question.title


def test_what_is_given_goes_first_and_is_said(store: Mistique) -> None:
    group = "homes.logistic@1.split_test.age"
    plan = check_up(store, "homes.logistic", group=group, truth="homes.logistic@1.read.sold")
    asked = {question.technique: question.parameters for question in plan.questions}
    assert asked["group_metrics"]["group"] == group
    assert asked["confusion_matrix"]["truth"] == "homes.logistic@1.read.sold"
    assert f"Errors are grouped by {group}, as given." in plan.told


def test_a_model_without_errors_has_no_worst_examples(store: Mistique) -> None:
    frame = pd.DataFrame({"prediction": [0, 1, 1], "target": [0, 1, 1]}, index=pd.RangeIndex(3, name="row_id"))
    store.log_frame("perfect", "model", "scores", frame)
    plan = check_up(store, "perfect.model")
    assert [question.technique for question in plan.questions] == ["confusion_matrix", "group_metrics"]
    assert "No example is predicted wrong, so that there are no worst ones." in plan.told


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("homes.logistics",), NotFoundError, "did you mean 'logistic'"),
        (("logistic",), InvalidInputError, "write project.model"),
        (("homes.logistic", "homes.logistic"), InvalidInputError, "both homes.logistic@1"),
        (("bare.model",), InvalidInputError, "has a column named prediction"),
        (("half.model",), InvalidInputError, "known as the truth"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_remedy(
    store: Mistique, arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    rows = pd.RangeIndex(2, name="row_id")
    store.log_frame("bare", "model", "x", pd.DataFrame({"a": [1, 2]}, index=rows))
    store.log_frame("half", "model", "x", pd.DataFrame({"prediction": [1, 2]}, index=rows))
    with pytest.raises(error, match=message):
        check_up(store, *arguments)
