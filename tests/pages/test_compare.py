"""Runs side by side, in the browser, against the Python API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistique_core.modeldb import ModelDB
from tests.pages.conftest import StandAlone
from tests.pages.grids import cells
from tests.pages.test_models import significant
from tests.pages.test_project import drawn


def test_metrics_and_hyperparameters_that_differ(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/compare?runs=5-7")
    table = ModelDB(site.store).compare.runs([5, 6, 7])
    page.get_by_text(f"{table.differing_parameters} of {len(table.parameter_names)} hyperparameters").wait_for()
    first = list(table.metric_names[: table.differing_metrics])
    page.wait_for_function(
        "n => document.querySelectorAll('#compare-few .ag-center-cols-container .ag-row').length > n", arg=4
    )
    assert cells(page, "compare-few", "name")[: len(first)] == first
    for at in range(3):
        shown = cells(page, "compare-few", f"r{at}")[: len(first)]
        assert shown == [significant(value) for value in table.metrics[: len(first), at]]


def test_what_is_equal_is_shown_on_demand(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/compare?runs=5,6")
    table = ModelDB(site.store).compare.runs([5, 6])
    page.get_by_role("heading", name="Comparison of 2 runs").wait_for()
    page.get_by_label("show what is equal").check()
    page.wait_for_url("**equal=1**")
    total = len(table.parameter_names) + len(table.metric_names)
    grid = page.locator("#compare-few [role=grid], #compare-few [role=treegrid]").first
    page.wait_for_function(
        "n => document.querySelector('#compare-few [aria-rowcount]').ariaRowCount == n", arg=str(total + 1)
    )
    grid.wait_for()


def test_curves_are_drawn_together(site: StandAlone, open_page: Callable[..., Any]) -> None:
    db = ModelDB(site.store)
    page = open_page(site, "/mistique/app/compare?runs=1-10")
    curves = [curve for curve in db.explore.curves(list(range(1, 11))) if curve.name == "objective"]
    traces = drawn(page, "compare-curve")
    assert len(traces) == len(curves) >= 1
    for trace, curve in zip(traces, curves, strict=True):
        np.testing.assert_allclose(trace["y"], curve.values)


def test_a_metric_against_what_varied(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/compare?runs=4-10&y=metrics.f1&x=params.max_depth")
    values = ModelDB(site.store).explore.values("", ["metrics.f1", "params.max_depth"], run_ids=range(4, 11))
    known = ~np.isnan(values.numbers["params.max_depth"])
    page.get_by_text(f"{known.sum()} runs; {(~known).sum()} lack").wait_for()
    points = {point for trace in drawn(page, "compare-chart") for point in zip(trace["x"], trace["y"], strict=True)}
    expected = set(zip(values.numbers["params.max_depth"][known], values.numbers["metrics.f1"][known], strict=True))
    assert points == expected


def test_nothing_to_compare_says_what_to_do(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/compare?runs=1")
    page.get_by_text("Select two or more in the table of models").wait_for()
    page = open_page(site, "/mistique/app/compare?runs=1,99999")
    page.get_by_text("run 99999 does not exist").wait_for()
