"""The plugin's page and tab in the Airflow UI, in headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest

from tests.headless import headless_chromium
from tests.integration.airflow_site import MODELS, Site
from tests.integration.expected import expected

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def page(pipelines: Site) -> Iterator[object]:
    with headless_chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        address = pipelines.environment.url
        context.add_cookies([{"name": "_token", "value": pipelines.client.token, "url": address}])
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        yield opened


def test_the_navigation_opens_the_projects_and_from_there_the_runs_with_their_metrics(
    pipelines: Site, page: object
) -> None:
    page.goto(f"{pipelines.environment.url}/")
    page.get_by_role("link", name="MISTIQUE").or_(page.get_by_role("button", name="MISTIQUE")).first.click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="cancer").wait_for()
    frame.get_by_role("link", name="Runs", exact=True).click()
    for model in MODELS:
        frame.get_by_role("table").get_by_text(model).first.wait_for()
    text = frame.locator("body").inner_text()
    assert f"{expected('random_forest').metrics['accuracy']:.3f}" in text


def test_the_tab_of_a_run_shows_its_stages(pipelines: Site, page: object) -> None:
    dag_id = "cancer_xgboost"
    run_id = quote(pipelines.runs[dag_id][0], safe="")
    page.goto(f"{pipelines.environment.url}/dags/{dag_id}/runs/{run_id}")
    page.get_by_role("link", name="MISTIQUE").last.click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("table").get_by_text("scaled_train").first.wait_for()
    text = frame.locator("body").inner_text()
    for name in expected("xgboost").frames:
        assert name in text
    assert "426" in text


def test_the_tab_of_a_query_shows_the_answer(pipelines: Site, page: object) -> None:
    request = {"technique": "topk", "key": "cancer.xgboost.predictions.probability_1"}
    assert pipelines.run({"mistique_query": request}) == {"mistique_query": "success"}
    run_id = quote(pipelines.runs["mistique_query"][-1], safe="")
    page.goto(f"{pipelines.environment.url}/dags/mistique_query/runs/{run_id}/plugin/mistique_run")
    frame = page.frame_locator("iframe")
    frame.get_by_text("The 10 largest values of probability_1").first.wait_for()
    assert "READ" in frame.locator("body").inner_text()


def test_the_form_of_a_technique_asks_for_what_it_needs(pipelines: Site, page: object) -> None:
    page.goto(f"{pipelines.environment.url}/dags/mistique_query_topk")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Key of the column or unit to rank by.").wait_for()
    start = dialog.get_by_role("button", name="Trigger")
    assert start.is_disabled()
    dialog.locator("input[name=element_key]").fill("cancer.xgboost.predictions.probability_1")
    start.click()
    run_id = None
    for _ in range(60):
        runs = pipelines.client.get("/dags/mistique_query_topk/dagRuns")["dag_runs"]
        if runs:
            run_id = runs[0]["dag_run_id"]
            break
        page.wait_for_timeout(500)
    assert run_id is not None
    assert pipelines.client.wait({"mistique_query_topk": run_id}, lambda *_: None) == {"mistique_query_topk": "success"}
    answer = pipelines.client.task_result("mistique_query_topk", run_id, "answer")
    assert answer["row_count"] == 10


DRAWN = {
    "topk": ({"key": "cancer.xgboost.predictions.probability_1", "k": 7}, ".barlayer path", 7),
    "confusion_matrix": (
        {"truth": "cancer.xgboost.predictions.target", "prediction": "cancer.xgboost.predictions.prediction"},
        ".heatmaplayer image, .heatmaplayer text",
        4,
    ),
    "col_dist": ({"key": "cancer.xgboost.predictions.probability_1"}, ".barlayer path, .scatterlayer path", 1),
}


@pytest.mark.parametrize("technique", DRAWN)
def test_the_figure_of_an_answer_is_drawn_and_saved_without_any_other_host(
    pipelines: Site, page: object, technique: str
) -> None:
    request, marks, least = DRAWN[technique]
    dag_id = f"mistique_query_{technique}"
    assert pipelines.run({dag_id: request}) == {dag_id: "success"}
    run_id = quote(pipelines.runs[dag_id][-1], safe="")
    asked: list[str] = []
    page.on("request", lambda item: asked.append(item.url))
    page.goto(f"{pipelines.environment.url}/dags/{dag_id}/runs/{run_id}/plugin/mistique_run")
    frame = page.frame_locator("iframe")
    frame.locator(".figure.drawn svg.main-svg").first.wait_for()
    assert frame.locator(marks).count() >= least
    box = frame.locator(".figure.drawn").bounding_box()
    assert box["height"] > 300
    with page.expect_download() as saved:
        frame.get_by_role("button", name="PNG").click()
    assert saved.value.suggested_filename.startswith(technique)
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")
    hosts = {urlsplit(url).hostname for url in asked if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}
    assert any(url.endswith("/plotly.js") for url in asked)


@pytest.mark.parametrize(
    "path",
    [
        "/mistique/app/projects",
        "/mistique/app/_dash-layout",
        "/mistique/runs",
        "/mistique/run?dag_id=cancer_xgboost&run_id=x",
        "/mistique/api/runs",
    ],
)
def test_pages_demand_airflows_login(pipelines: Site, path: str) -> None:
    address = f"{pipelines.environment.url}{path}"
    assert httpx.get(address, timeout=30).status_code == 401
    assert httpx.get(address, timeout=30, headers={"Authorization": "Bearer x"}).status_code in (401, 403)
    known = httpx.get(address, timeout=30, headers={"Authorization": f"Bearer {pipelines.client.token}"})
    assert known.status_code in (200, 404)


def test_what_the_web_server_does_not_answer_is_asked_by_the_query_dag_from_the_page(
    pipelines: Site, page: object
) -> None:
    """The browser triggers it with the viewer's login, follows the run, and shows what it recorded."""
    request = {"key": "cancer.xgboost.predictions.probability_1", "k": 6, "strategy": "rerun"}
    query = urlencode({"technique": "topk", "request": json.dumps(request)})
    page.goto(f"{pipelines.environment.url}/plugin/mistique/mistique/app/ask?{query}")
    frame = page.frame_locator("iframe")
    frame.get_by_text("A re-run was asked for").wait_for()
    frame.get_by_role("button", name="Ask the query DAG").click()
    frame.locator(".ask-progress").get_by_text("The query DAG").wait_for()
    frame.get_by_text("The 6 largest values of probability_1").first.wait_for()
    assert "RERUN" in frame.locator("body").inner_text()
    frame.locator("[id^='ask-recorded-figure'] .main-svg").first.wait_for()
    [run] = [
        item
        for item in pipelines.client.get("/dags/mistique_query/dagRuns")["dag_runs"]
        if item["conf"].get("k") == 6 and item["state"] == "success"
    ]
    defaults = {"largest": True, "by": "max", "exact": False}
    assert run["conf"] == {"technique": "topk", **defaults, **request}
    link = frame.get_by_role("link", name="The run in Airflow")
    assert link.get_attribute("href").endswith(f"/dags/mistique_query/runs/{quote(run['dag_run_id'], safe='')}")
    link.click()
    page.wait_for_url(f"**/dags/mistique_query/runs/{quote(run['dag_run_id'], safe='')}**")


def test_the_tabs_of_a_dag_and_of_a_task_show_its_runs_and_its_intermediates(pipelines: Site, page: object) -> None:
    """Airflow fills in the ids; the task is not mapped."""
    dag_id = "cancer_xgboost"
    run_id = quote(pipelines.runs[dag_id][0], safe="")
    page.goto(f"{pipelines.environment.url}/dags/{dag_id}/plugin/mistique_dag")
    frame = page.frame_locator("iframe")
    frame.get_by_role("table").get_by_text("xgboost").first.wait_for()
    page.goto(f"{pipelines.environment.url}/dags/{dag_id}/runs/{run_id}/tasks/predictions/plugin/mistique_task")
    listed = page.frame_locator("iframe").locator("#intermediates-list tbody tr")
    listed.first.wait_for()
    assert listed.locator("th").all_inner_texts() == ["predictions"]
