"""The model table, in the browser, against the Python API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from mistique_core.modeldb import ModelDB
from tests.pages.conftest import StandAlone
from tests.pages.grids import until_cells


def significant(value: float) -> str:
    return f"{float(f'{value:.5g}'):.10g}"


def query_of(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_the_table_is_sorted_by_the_server(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/projects/1/models?columns=metrics.roc_auc,params.C")
    db = ModelDB(site.store)
    newest = db.search("project = 'attrition'")
    until_cells(page, "models-grid", "model", [run.label for run in newest.runs])
    page.get_by_role("columnheader", name="roc_auc").click()
    lowest = db.search("project = 'attrition' order by metrics.roc_auc", columns=["metrics.roc_auc", "params.C"])
    until_cells(page, "models-grid", "metrics.roc_auc", [significant(run.metrics["roc_auc"]) for run in lowest.runs])
    chosen = [run.hyperparameters.get("C") for run in lowest.runs]
    until_cells(page, "models-grid", "params.C", ["–" if value is None else significant(value) for value in chosen])
    page.wait_for_url("**sort=metrics.roc_auc%3Aasc**")
    shared = open_page(site, page.url.removeprefix(site.url))
    until_cells(shared, "models-grid", "model", [run.label for run in lowest.runs])


def test_a_filter_finds_what_the_filter_language_finds(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/models?columns=metrics.roc_auc")
    page.get_by_text("10 runs").wait_for()
    text = "metrics.roc_auc > 0.8 and not type = 'XGBClassifier'"
    page.get_by_label("Filter").fill(text)
    page.get_by_label("Filter").press("Enter")
    found = ModelDB(site.store).search(text)
    page.get_by_text(f"{found.total} runs").wait_for()
    until_cells(page, "models-grid", "model", [run.label for run in found.runs])
    assert query_of(page)["filter"] == text
    page.get_by_label("show what does not fit").check()
    rest = ModelDB(site.store).search(f"not ({text})")
    until_cells(page, "models-grid", "model", [run.label for run in rest.runs])


def test_a_filter_that_cannot_be_read_says_where(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, f"/mistique/app/models?filter={quote('state = success')}")
    page.get_by_text("a value must stand here").wait_for()
    page.get_by_label("Filter").fill("state = 'success'")
    page.get_by_label("Filter").press("Enter")
    page.get_by_text("10 runs").wait_for()
    page.get_by_text("a value must stand here").wait_for(state="detached")


def test_blocks_count_and_restrict(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/models?group=params.n_estimators")
    groups = ModelDB(site.store).explore.groups("", "params.n_estimators")
    for group in groups.groups:
        page.get_by_role("button", name=f"{group.label}: {group.count} of {groups.total} runs").wait_for()
    page.get_by_role("button", name="60: ").click()
    found = ModelDB(site.store).search("params.n_estimators = 60")
    until_cells(page, "models-grid", "model", [run.label for run in found.runs])
    assert page.get_by_label("Filter").input_value() == "params.n_estimators = 60"


def test_the_search_looks_at_names_types_and_tags(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/models")
    page.get_by_text("10 runs").wait_for()
    page.get_by_label("Search").fill("xgb")
    page.get_by_text("1 run", exact=True).wait_for()
    until_cells(page, "models-grid", "type", ["XGBClassifier"])


def test_any_column_can_be_chosen(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/models?columns=metrics.f1")
    page.get_by_text("10 runs").wait_for()
    page.locator("#models-columns").click()
    page.get_by_placeholder("Search").last.fill("max_depth")
    page.get_by_text("params.max_depth", exact=True).last.click()
    page.keyboard.press("Escape")
    runs = ModelDB(site.store).search("", columns=["params.max_depth"]).runs
    depths = [run.hyperparameters.get("max_depth") for run in runs]
    until_cells(page, "models-grid", "params.max_depth", ["–" if value is None else str(value) for value in depths])
    assert query_of(page)["columns"] == "metrics.f1, params.max_depth"


def test_selected_runs_are_compared(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/models")
    page.get_by_text("10 runs").wait_for()
    for row in (0, 2):
        page.locator(f"#models-grid .ag-row[row-index='{row}'] input[type=checkbox]").first.check()
    runs = ModelDB(site.store).search().runs
    link = page.get_by_role("link", name="Compare 2 runs")
    link.wait_for()
    wanted = {str(runs[0].id), str(runs[2].id)}
    assert set(parse_qs(urlsplit(link.get_attribute("href")).query)["runs"][0].split(",")) == wanted
