"""The PredictionVisualizer in the browser, against scikit-learn and pandas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from mistique_core import Mistique
from mistique_core.modeldb import ModelDB
from tests.pages.attrition import MODELS
from tests.pages.conftest import StandAlone, served
from tests.pages.wines import fill as fill_wines

PAGE = "/mistique/app/predictions"
NAMES = sorted(MODELS)
LEFT, LEGEND, TOP, HEIGHT = 74 + 26 + 8, 96, 26, 560 - 26 - 8
"""Where the cells of the matrix lie in its picture, in pixels."""
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def predicted(attrition: Mistique) -> dict[str, pd.DataFrame]:
    """Model -> its predictions, by ascending row id."""
    keys = {name: f"attrition.{name}.predictions" for name in NAMES}
    return {name: attrition.get_intermediates(key, strategy="read").frame.sort_index() for name, key in keys.items()}


@pytest.fixture(scope="module")
def wines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandAlone]:
    """The pages of three models of three classes."""
    folder = tmp_path_factory.mktemp("wines")
    with Mistique.open(folder / "store") as store:
        fill_wines(store, folder)
        yield from served(store)


def metrics_shown(page: Any, *names: str) -> dict[str, dict[str, str]]:
    """Return model -> metric -> text of the table of metrics."""
    page.locator("#predictions-metrics .ag-center-cols-container .ag-row").first.wait_for()
    shown: dict[str, dict[str, str]] = {}
    for head in page.locator("#predictions-metrics .ag-pinned-left-cols-container .ag-row").all():
        row = head.get_attribute("row-index")
        cells = page.locator(f"#predictions-metrics .ag-center-cols-container .ag-row[row-index='{row}']")
        shown[head.inner_text().strip()] = {
            name: cells.locator(f"[col-id='{name}']").inner_text().strip() for name in names
        }
    return shown


def table_shown(page: Any, name: str) -> list[list[str]]:
    """Return the texts of a table."""
    page.locator(f"#{name} tbody tr").first.wait_for()
    rows = page.locator(f"#{name} tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def point_at(page: Any, model: int, models: int, row: float, rows: int) -> dict[str, float]:
    """Return the place of a cell in the picture of the matrix."""
    canvas = page.locator("#predictions-matrix canvas")
    canvas.wait_for()
    width = canvas.evaluate("canvas => canvas.clientWidth") - LEFT - LEGEND
    return {"x": LEFT + width * (model + 0.5) / models, "y": TOP + HEIGHT * (row + 0.5) / rows}


def test_the_summary_says_what_scikit_learn_says(
    site: StandAlone, open_page: Open, predicted: dict[str, pd.DataFrame]
) -> None:
    page = open_page(site, PAGE)
    shown = metrics_shown(page, "accuracy", "f1", "roc_auc", "average_precision", "log_loss", "brier")
    assert sorted(shown) == NAMES
    for name, frame in predicted.items():
        truth, scores = frame["Attrition"], frame["probability_1"]
        expected = {
            "accuracy": sk.accuracy_score(truth, frame["prediction"]),
            "f1": sk.f1_score(truth, frame["prediction"]),
            "roc_auc": sk.roc_auc_score(truth, scores),
            "average_precision": sk.average_precision_score(truth, scores),
            "log_loss": sk.log_loss(truth, scores.astype(np.float64)),
            "brier": sk.brier_score_loss(truth, scores),
        }
        assert {key: float(text) for key, text in shown[name].items()} == pytest.approx(expected, abs=1.01e-4)
    for figure in ("ROC", "Precision and recall", "Calibration"):
        page.get_by_role("img", name=figure, exact=True).locator(".scatterlayer .trace").first.wait_for(
            state="attached"
        )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_threshold_changes_every_decision(
    site: StandAlone, open_page: Open, predicted: dict[str, pd.DataFrame]
) -> None:
    page = open_page(site, f"{PAGE}?threshold=0.3")
    frame = predicted["logistic"]
    decided = frame["probability_1"] >= 0.3
    counts = sk.confusion_matrix(frame["Attrition"], decided)
    table = page.locator("table.confusion", has_text="logistic")
    table.wait_for()
    cells = table.locator("td").evaluate_all("cells => cells.map(cell => Number(cell.firstChild.textContent))")
    assert cells == counts.ravel().tolist()
    other = predicted["forest"]["probability_1"] >= 0.3
    churn = table_shown(page, "predictions-churn-table")
    row = next(row for row in churn if row[0] == "logistic")
    assert row[1 + NAMES.index("forest")] == f"{(decided != other).mean():.1%}"


def test_a_cell_of_the_matrix_is_the_probability_of_the_truth(
    site: StandAlone, open_page: Open, predicted: dict[str, pd.DataFrame]
) -> None:
    page = open_page(site, f"{PAGE}?order=row_id&rows=100-120")
    page.get_by_text("Rows 100 to 119 of 441, 10 models; a line is one row.").wait_for()
    page.locator("#predictions-matrix").scroll_into_view_if_needed()
    for name, row in (("logistic", 3), ("tree", 17)):
        page.locator("#predictions-matrix canvas").hover(position=point_at(page, NAMES.index(name), 10, row, 20))
        says = page.locator("#predictions-matrix .tip").inner_text()
        frame = predicted[name].iloc[100 + row]
        true = frame[f"probability_{int(frame['Attrition'])}"]
        assert says.startswith(f"{name}\n")
        assert says.endswith(f"row {100 + row} of the order")
        assert float(re.search(r": (\d\.\d+)", says)[1]) == pytest.approx(true, abs=0.0051)  # type: ignore[index]


def test_zoom_by_drag_key_and_button_is_in_the_address(site: StandAlone, open_page: Open) -> None:
    page = open_page(site, PAGE)
    page.get_by_text("Rows 0 to 440 of 441").wait_for()
    page.wait_for_load_state("networkidle")  # what loads above the matrix moves it, and a drag misses its rows
    page.locator("#predictions-matrix").scroll_into_view_if_needed()
    start, end = point_at(page, 2, 10, 100, 441), point_at(page, 3, 10, 200, 441)
    box = page.locator("#predictions-matrix canvas").bounding_box()
    page.mouse.move(box["x"] + start["x"], box["y"] + start["y"])
    page.mouse.down()
    page.mouse.move(box["x"] + end["x"], box["y"] + end["y"], steps=4)
    page.mouse.up()
    page.get_by_text(re.compile(r"Rows (99|100|101) to (199|200|201) of 441")).wait_for()
    page.locator("#predictions-matrix").press("Home")
    page.get_by_text("Rows 0 to 440 of 441").wait_for()
    page.locator("#predictions-in").click()
    page.get_by_text("Rows 110 to 329 of 441").wait_for()
    page.wait_for_url("**rows=110-330**")


def test_groups_are_those_of_pandas(
    site: StandAlone, open_page: Open, attrition: Mistique, predicted: dict[str, pd.DataFrame]
) -> None:
    page = open_page(site, f"{PAGE}?group=attrition.ada@1.read.Department")
    department = attrition.get_intermediates("attrition.ada.read.Department", strategy="read").frame.iloc[:, 0]
    shown = table_shown(page, "predictions-groups-table")
    right = pd.DataFrame({name: frame["prediction"] == frame["Attrition"] for name, frame in predicted.items()})
    by = right.groupby(department.reindex(right.index).astype(str))
    means, sizes = by.mean(), by.size()
    assert [row[1:] for row in shown] == [[f"{value:.1%}" for value in row] for row in means.to_numpy()]
    assert [row[0].endswith(f"({size})") or "…" in row[0] for row, size in zip(shown, sizes, strict=True)] == [True] * 3
    page.get_by_role("button", name="Order rows by these groups").click()
    page.wait_for_url("**order=group:**")


def test_from_a_cell_to_the_example_at_every_stage(
    site: StandAlone, open_page: Open, attrition: Mistique, predicted: dict[str, pd.DataFrame]
) -> None:
    page = open_page(site, f"{PAGE}?order=model:forest&rows=0-20")
    page.get_by_text("Rows 0 to 19 of 441").wait_for()
    page.locator("#predictions-matrix").scroll_into_view_if_needed()
    page.locator("#predictions-matrix canvas").click(position=point_at(page, NAMES.index("forest"), 10, 0, 20))
    frame = predicted["forest"]
    true = np.where(frame["Attrition"] == 1, frame["probability_1"], frame["probability_0"])
    head = page.locator("#predictions-example-pane h2", has_text=re.compile(r"Example \d+"))
    head.wait_for()
    row = int(head.inner_text().removeprefix("Example "))
    assert true[frame.index.get_loc(row)] <= true.min() + 0.005
    line = page.locator("#predictions-example-pane tr", has_text="forest").first.locator("th, td").all_inner_texts()
    assert line[1:] == [str(frame.at[row, "prediction"]), f"{frame.at[row, 'probability_1']:.4f}", "wrong"]
    page.get_by_role("heading", name="At every stage of forest@1").wait_for()
    for stage, column in (("read", "Age"), ("scaled_test", "Age")):
        value = attrition.get_intermediates(f"attrition.forest.{stage}.{column}", row_id=row, strategy="read").values[0]
        part = page.locator(".stages > details", has=page.get_by_text(stage, exact=True))
        cell = part.locator("dl > div", has=page.locator("dt", has_text=re.compile("^Age$"))).first
        assert float(cell.locator("dd").inner_text()) == pytest.approx(value, abs=1e-4)
    neighbour = page.locator("#predictions-example-pane button.link").first
    name = neighbour.inner_text()
    neighbour.click()
    page.get_by_role("heading", name=f"Example {name}", exact=True).wait_for()
    page.wait_for_url(f"**example={name}**")
    again = open_page(site, page.url.removeprefix(site.url))
    again.get_by_role("heading", name=f"Example {name}", exact=True).wait_for()
    again.get_by_text("Rows 0 to 19 of 441").wait_for()


def test_a_selection_is_shared_by_the_panes(
    site: StandAlone, open_page: Open, attrition: Mistique, predicted: dict[str, pd.DataFrame]
) -> None:
    page = open_page(site, f"{PAGE}?order=row_id&rows=40-140")
    page.get_by_text("Rows 40 to 139 of 441").wait_for()
    page.get_by_role("button", name="Select these rows").click()
    page.get_by_text("100 selected rows, at stage read of ada").wait_for()
    page.get_by_label("The 100 selected rows").check()
    frame = predicted["boosting"].iloc[40:140]
    expected = f"{sk.roc_auc_score(frame['Attrition'], frame['probability_1']):.4f}"
    page.locator("#predictions-metrics [col-id='roc_auc']", has_text=expected).first.wait_for()
    shown = metrics_shown(page, "roc_auc", "accuracy")
    assert shown["boosting"]["roc_auc"] == expected
    assert shown["boosting"]["accuracy"] == f"{(frame['prediction'] == frame['Attrition']).mean():.4f}"
    departments = attrition.get_intermediates("attrition.ada.read.Department", row_id=frame.index, strategy="read")
    page.get_by_label("Search").fill("Sales")
    sales = attrition.get_intermediates("attrition.ada.read", row_id=frame.index, strategy="read").frame
    count = int(sales.astype(str).apply(lambda row: row.str.contains("Sales").any(), axis=1).sum())
    assert (departments.values == "Sales").sum() <= count
    page.locator("#predictions-grid .ag-paging-row-summary-panel", has_text=f"of {count}").wait_for()


def test_amounts_show_their_errors(homes: StandAlone, open_page: Open) -> None:
    page = open_page(homes, PAGE)
    shown = metrics_shown(page, "mae", "rmse", "r2")
    for name in ("line", "ridge", "tree"):
        frame = homes.store.get_intermediates(f"homes.{name}.predictions", strategy="read").frame
        expected = {
            "mae": sk.mean_absolute_error(frame["price"], frame["prediction"]),
            "rmse": sk.root_mean_squared_error(frame["price"], frame["prediction"]),
            "r2": sk.r2_score(frame["price"], frame["prediction"]),
        }
        assert {key: float(text) for key, text in shown[name].items()} == pytest.approx(expected, rel=1e-4)
    page.get_by_role("img", name="Residuals").locator(".scatterlayer .trace").first.wait_for(state="attached")
    page.get_by_text("Rows 0 to 199 of 200, 3 models").wait_for()
    assert not page.get_by_label("Threshold").is_visible()


def test_several_classes(wines: StandAlone, open_page: Open) -> None:
    """Averages, curves of one class against the rest, areas, confusion and the matrix are scikit-learn's."""
    page = open_page(wines, PAGE)
    names = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")
    shown = metrics_shown(page, *names)
    areas = {row[0]: row[1:] for row in table_shown(page, "predictions-classes")}
    frames = {
        model: wines.store.get_intermediates(f"wines.{model}.predictions", strategy="read").frame
        for model in ("bayes", "neighbours", "tree")
    }
    for at, (model, frame) in enumerate(frames.items()):
        truth, decided = frame["target"], frame["prediction"]
        shares = frame[[f"probability_{kind}" for kind in range(3)]].to_numpy(np.float64)
        expected = {
            "accuracy": sk.accuracy_score(truth, decided),
            "precision": sk.precision_score(truth, decided, average="macro", zero_division=0),
            "recall": sk.recall_score(truth, decided, average="macro", zero_division=0),
            "f1": sk.f1_score(truth, decided, average="macro", zero_division=0),
            "roc_auc": sk.roc_auc_score(truth, shares, multi_class="ovr"),
            "log_loss": sk.log_loss(truth, shares),
        }
        assert {name: float(text) for name, text in shown[model].items()} == pytest.approx(expected, abs=1.01e-4)
        for kind in range(3):
            area = sk.roc_auc_score(truth == kind, shares[:, kind])
            assert float(areas[str(kind)][at]) == pytest.approx(area, abs=1.01e-4)
        table = page.locator("table.confusion", has_text=model)
        cells = table.locator("td").evaluate_all("cells => cells.map(cell => Number(cell.firstChild.textContent))")
        assert cells == sk.confusion_matrix(truth, decided).ravel().tolist()
        plot = page.locator("#predictions-roc .js-plotly-plot")
        x, y = plot.evaluate(
            "(plot, model) => { const trace = plot.data.find((item) => item.name === model);"
            " return [trace.x, trace.y].map((values) => Array.from(values._inputArray ?? values)); }",
            model,
        )
        stacked = np.eye(3)[truth.to_numpy()].ravel()
        false, true, _ = sk.roc_curve(stacked, shares.ravel(), drop_intermediate=False)
        np.testing.assert_allclose(np.interp(x, false, true), np.maximum(y, np.interp(x, false, true)), atol=0.02)
        assert sk.auc(x, y) == pytest.approx(sk.auc(false, true), abs=0.005)
    page.get_by_text(f"Rows 0 to {len(frames['tree']) - 1} of {len(frames['tree'])}, 3 models").wait_for()
    assert not page.get_by_label("Threshold").is_visible()


def test_what_is_not_there_is_said(site: StandAlone, open_page: Open) -> None:
    page = open_page(site, f"{PAGE}?models=ada@1.predictions,nothing@3.predictions")
    page.get_by_text("'nothing@3.predictions' holds no predictions that you may see").wait_for()
    page.get_by_role("link", name="attrition").click()
    page.get_by_text("Rows 0 to 440 of 441, 10 models").wait_for()
    page = open_page(site, f"{PAGE}?threshold=7")
    page.get_by_text("threshold '7' is no probability").wait_for()
    [project] = ModelDB(site.store).browse.projects()
    page = open_page(site, f"{PAGE}?project={project.id}&label=nothing")
    page.get_by_text("no model of this project has predictions beside a column 'nothing'").wait_for()
