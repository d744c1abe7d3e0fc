"""One project, in the browser, against the Python API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mistique_core.modeldb import ModelDB
from tests.pages.conftest import StandAlone


def drawn(page: Any, figure: str) -> list[dict[str, Any]]:
    """Return the traces of a figure, once it has points."""
    page.wait_for_selector(f"#{figure} .plot-container")
    page.wait_for_function("name => document.querySelector(`#${name} .js-plotly-plot`)?.data?.length", arg=figure)
    return page.evaluate(
        """name => document.querySelector(`#${name} .js-plotly-plot`).data.map((trace) => ({
            name: trace.name, y: Array.from(trace.y?._inputArray ?? trace.y ?? []), x: Array.from(trace.x ?? []),
            run: Array.from(trace.customdata ?? []), symbol: trace.marker?.symbol, color: trace.marker?.color}))""",
        figure,
    )


def test_the_timeline_shows_every_value_by_type_and_metric(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/projects/1?metrics=metrics.roc_auc, metrics.f1&x=id")
    page.get_by_text("20 values of 10 runs").wait_for()
    runs = ModelDB(site.store).search("", columns=["metrics.roc_auc", "metrics.f1"]).runs
    expected = {(run.id, run.metrics[name]) for run in runs for name in ("roc_auc", "f1")}
    traces = [trace for trace in drawn(page, "project-detail") if trace["run"]]
    shown = {(run, y) for trace in traces for run, y in zip(trace["run"], trace["y"], strict=True)}
    assert shown == expected
    assert len({trace["symbol"] for trace in traces}) == 2
    types = ModelDB(site.store).explore.main_models([run.id for run in runs])
    for trace in traces:
        names = {types[run][0].type_name for run in trace["run"]}
        assert names == {trace["name"]} or trace["name"] == "others"


def test_a_click_shows_the_card_of_the_run(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/projects/1?metrics=metrics.roc_auc&x=id")
    page.get_by_text("10 values of 10 runs").wait_for()
    [trace, *_] = [trace for trace in drawn(page, "project-detail") if trace["run"]]
    run = ModelDB(site.store).browse.run(trace["run"][0])
    point = page.locator("#project-detail .scatterlayer .trace").first.locator(".point").first
    point.wait_for()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 1, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    card = page.locator("#project-card")
    card.get_by_role("heading", name=run.run.label).wait_for()
    text = card.inner_text()
    for name, value in run.run.metrics.items():
        assert name in text
        assert f"{value:.4f}" in text
    model = ModelDB(site.store).explore.main_models([run.run.id])[run.run.id][0]
    link = card.get_by_role("link", name=model.type_name)
    assert link.get_attribute("href").endswith(f"/app/models/{model.id}")


def test_the_brush_chooses_a_part(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/projects/1?metrics=metrics.roc_auc&x=id")
    page.get_by_text("10 values of 10 runs").wait_for()
    drawn(page, "project-overview")
    box = page.locator("#project-overview .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=**")
    page.wait_for_function("() => /^[3-6] values/.test(document.querySelector('#project-note').innerText)")
    page.get_by_role("button", name="Show all").click()
    page.get_by_text("10 values of 10 runs").wait_for()


@pytest.mark.parametrize("how", ["average", "median", "count"])
def test_a_chart_of_ones_own_is_what_the_python_api_says(
    site: StandAlone, open_page: Callable[..., Any], how: str
) -> None:
    from mistique_core.modeldb.explore.aggregate import aggregate

    page = open_page(site, f"/mistique/app/projects/1?y=metrics.f1&against=params.n_estimators&show={how}")
    page.get_by_text(f"{how} of 5 values in 1 groups").wait_for()
    values = ModelDB(site.store).explore.values("", ["metrics.f1", "params.n_estimators"])
    expected = aggregate(values.numbers["metrics.f1"], [values.numbers["params.n_estimators"]], how)
    [trace] = drawn(page, "project-chart")
    assert trace["x"] == [group.keys[0] for group in expected] == [60.0]
    assert trace["y"] == pytest.approx([group.value for group in expected])


def test_what_a_shared_address_says_is_shown(site: StandAlone, open_page: Callable[..., Any]) -> None:
    address = (
        "/mistique/app/projects/1?y=metrics.accuracy&against=type&by=params.max_depth&show=points&filter=params.C>0"
    )
    page = open_page(site, address)
    page.get_by_text("10 runs", exact=True).wait_for()
    assert {trace["name"] for trace in drawn(page, "project-chart")} >= {"none", "3"}
    assert page.get_by_label("Filter").input_value() == "params.C>0"
