"""The projects at a glance, in the browser, against the Python API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistique_core.modeldb import ModelDB
from tests.pages.conftest import StandAlone


def test_every_project_shows_its_models_and_the_range_of_its_metrics(
    site: StandAlone, open_page: Callable[..., Any]
) -> None:
    page = open_page(site, "/mistique/app/projects")
    page.get_by_role("heading", name="attrition").wait_for()
    assert page.title() == "Projects · MISTIQUE"
    [project] = ModelDB(site.store).browse.projects()
    card = page.get_by_role("article")
    text = card.inner_text()
    assert f"{project.models} models and transformers in {project.runs} runs" in text
    for name, summary in project.metrics.items():
        cells = card.get_by_role("row").filter(has_text=name).get_by_role("cell").all_inner_texts()
        assert cells[-3:] == [f"{value:.4f}" for value in (summary.minimum, summary.mean, summary.maximum)]


def test_the_search_hides_what_does_not_fit(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/projects")
    page.get_by_role("heading", name="attrition").wait_for()
    page.get_by_label("Search").fill("XGBClassifier")
    page.get_by_role("heading", name="attrition").wait_for()
    page.get_by_label("Search").fill("no such model")
    page.get_by_text("No project fits 'no such model'").wait_for()


def test_an_unknown_page_says_so(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/nothing/here")
    page.get_by_text("There is no such page").wait_for()
