"""The numbers of every figure, as the browser holds them, against scikit-learn, NumPy, or the Python API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from mistique_core import Mistique
from mistique_core.diagnostics import diagnose
from mistique_core.modeldb import ModelDB
from mistique_core.predictions import Assembler, ByteCache, churn, comparable, find_predictions
from tests.pages.conftest import StandAlone, served
from tests.pages.test_model import model_of

PAGE = "/mistique/app/predictions"
Open = Callable[..., Any]
MANY = 16
"""Models: more than a table of shares has room for."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandAlone]:
    """The pages of many models of two classes."""
    random, index = np.random.default_rng(0), pd.RangeIndex(300, name="row_id")
    truth = random.integers(0, 2, len(index))
    with Mistique.open(tmp_path_factory.mktemp("many") / "store") as store:
        for number in range(MANY):
            share = np.clip(truth * 0.3 + random.random(len(index)) * 0.7, 0, 1)
            frame = pd.DataFrame({"prediction": share.round().astype(int), "probability_1": share, "y": truth}, index)
            store.log_frame("many", f"m{number}", "predictions", frame)
        yield from served(store)


def traces(page: Any, figure: str, *fields: str) -> dict[str, dict[str, Any]]:
    """Return name -> fields of the traces that have a name (``""`` for one without), arrays as nested lists."""
    page.wait_for_selector(f"#{figure} .plot-container")
    page.wait_for_function("name => document.querySelector(`#${name} .js-plotly-plot`)?.data?.length", arg=figure)
    found = page.evaluate(
        """([name, fields]) => {
            const plain = (value) => value == null || typeof value !== "object" ? value
                : Array.from(value._inputArray ?? value, plain);
            return document.querySelector(`#${name} .js-plotly-plot`).data.map((trace) =>
                [trace.name ?? "", Object.fromEntries(fields.map((field) => [field, plain(trace[field])]))]); }""",
        [figure, list(fields)],
    )
    return dict(found)


def points_of(trace: dict[str, Any]) -> set[tuple[float, float]]:
    return {(round(x, 9), round(y, 9)) for x, y in zip(trace["x"], trace["y"], strict=True)}


def test_curves_of_two_classes(site: StandAlone, open_page: Open) -> None:
    page = open_page(site, PAGE)
    roc, pr, bins = (
        traces(page, f"predictions-{name}", "x", "y", "customdata") for name in ("roc", "pr", "calibration")
    )
    for name in ("logistic", "tree", "forest"):
        frame = site.store.get_intermediates(f"attrition.{name}.predictions", strategy="read").frame
        truth, share = frame["Attrition"], frame["probability_1"].astype(np.float64)
        false, true, _ = sk.roc_curve(truth, share, drop_intermediate=False)
        assert points_of(roc[name]) <= points_of({"x": false, "y": true})
        assert sk.auc(roc[name]["x"], roc[name]["y"]) == pytest.approx(sk.roc_auc_score(truth, share), abs=0.005)
        precision, recall, _ = sk.precision_recall_curve(truth, share)
        assert points_of(pr[name]) <= points_of({"x": recall, "y": precision})
        assert len(pr[name]["x"]) > 3
        observed, predicted = calibration_curve(truth, share, n_bins=10)
        np.testing.assert_allclose(bins[name]["y"], observed)
        np.testing.assert_allclose(bins[name]["x"], predicted)
        assert sum(bins[name]["customdata"]) == len(frame)


def test_errors_of_amounts(homes: StandAlone, open_page: Open) -> None:
    page = open_page(homes, PAGE)
    drawn = traces(page, "predictions-residuals", "x", "y")
    boxes = traces(page, "predictions-quantiles", "lowerfence", "q1", "median", "q3", "upperfence")
    for name in ("line", "ridge", "tree"):
        frame = homes.store.get_intermediates(f"homes.{name}.predictions", strategy="read").frame
        errors = frame["prediction"] - frame["price"]
        assert points_of(drawn[name]) == points_of({"x": frame["prediction"], "y": errors})
        box = [boxes[name][field][0] for field in ("lowerfence", "q1", "median", "q3", "upperfence")]
        np.testing.assert_allclose(box, np.quantile(errors, [0.05, 0.25, 0.5, 0.75, 0.95]))


def test_churn_of_many_models_as_a_picture(many: StandAlone, open_page: Open) -> None:
    page = open_page(many, PAGE)
    [shown] = traces(page, "predictions-churn-table", "z", "customdata").values()
    frames = {
        f"m{number}": many.store.get_intermediates(f"many.m{number}.predictions", strategy="read").frame
        for number in range(MANY)
    }
    for row, names in zip(shown["z"], shown["customdata"], strict=True):
        for value, pair in zip(row, names, strict=True):
            first, second = pair.split(", ")
            assert np.isnan(value) == (first == second)
            differs = frames[first]["prediction"] != frames[second]["prediction"]
            assert first == second or value == pytest.approx(differs.mean())
    sets, label = comparable(find_predictions(many.store.catalogue, 1))
    matrix = Assembler(many.store, ByteCache(10**8)).assemble(sets, label).matrix
    assert np.nanmax(churn(matrix)) == pytest.approx(np.nanmax(np.array(shown["z"], float)))


@pytest.mark.parametrize("type_name", ["RandomForestClassifier", "XGBClassifier"])
def test_importances(site: StandAlone, open_page: Open, type_name: str) -> None:
    model = model_of(site, type_name)
    page = open_page(site, f"/mistique/app/models/{model}")
    [shown] = traces(page, "model-importances", "x", "y").values()
    given = {item.name: item.importance for item in ModelDB(site.store).browse.model(model).facts.features}
    largest = sorted(given.values(), key=abs, reverse=True)[: len(shown["x"])]
    assert list(reversed(shown["x"])) == pytest.approx(largest)
    assert [given[name] for name in shown["y"]] == pytest.approx(shown["x"])


def test_coefficients_and_curves(site: StandAlone, open_page: Open) -> None:
    db = ModelDB(site.store)
    model = model_of(site, "LogisticRegression")
    [shown] = traces(open_page(site, f"/mistique/app/models/{model}"), "model-coefficients", "x", "y").values()
    linear = db.browse.model(model).facts.linear
    assert linear is not None
    known = {term.name: term.coefficient for term in linear.terms if term.index > 0}
    assert [known[name] for name in shown["y"]] == pytest.approx(shown["x"])
    assert max(map(abs, known.values())) == pytest.approx(abs(shown["x"][-1]))
    model = model_of(site, "GradientBoostingClassifier")
    history = db.browse.model(model).facts.history
    curves = traces(open_page(site, f"/mistique/app/models/{model}"), "model-curves", "x", "y")
    assert curves.keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(curves[name]["y"], values)
        assert curves[name]["x"] == list(range(1, len(values) + 1))


def test_the_overview_holds_what_the_timeline_holds(site: StandAlone, open_page: Open) -> None:
    page = open_page(site, "/mistique/app/projects/1?metrics=metrics.roc_auc&x=id")
    page.get_by_text("10 values of 10 runs").wait_for()
    [shown] = traces(page, "project-overview", "x", "y").values()
    runs = ModelDB(site.store).search("", columns=["metrics.roc_auc"]).runs
    expected = points_of({"x": [run.id for run in runs], "y": [run.metrics["roc_auc"] for run in runs]})
    assert points_of(shown) == expected


def test_the_steps_from_logged_to_stored(site: StandAlone, open_page: Open) -> None:
    [shown] = traces(open_page(site, "/mistique/app/storage"), "storage-steps", "x", "y", "measure").values()
    saved = site.store.savings()
    assert shown["x"][0] == saved.logged_bytes
    assert shown["measure"] == ["absolute", *["relative"] * (len(shown["x"]) - 2), "total"]
    assert sum(shown["x"]) == saved.stored_bytes
    named = {text.partition("  ")[0]: value for text, value in zip(shown["y"], shown["x"], strict=True)}
    assert named["Reuse"] == -saved.reused_bytes
    assert named["Encoding"] == -saved.encoded_bytes


def test_the_figure_of_an_answer(site: StandAlone, open_page: Open) -> None:
    request = {"key": "attrition.forest.predictions.probability_1", "k": 9}
    query = urlencode({"technique": "topk", "request": json.dumps(request)})
    [shown] = traces(open_page(site, f"/mistique/app/ask?{query}"), "ask-figure", "x", "y").values()
    answer = diagnose(site.store, "topk", request).frame
    assert list(map(int, shown["x"])) == answer.index.tolist()
    assert shown["y"] == pytest.approx(answer["probability_1"].tolist())
