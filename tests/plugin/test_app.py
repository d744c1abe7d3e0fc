"""The pages behind Airflow's own login and roles."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.errors import CatalogueUnavailableError
from mistique_core.model import Stage, StageResult
from mistique_core.modeldb import RunReport, record_query, record_run
from mistique_core.workflows import ReadCsvStage
from tests.plugin.conftest import airflow_key, make_client

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

XSS = "<script>alert(1)</script>"
ANSWER = {
    "sentence": f"It is {XSS}.",
    "columns": ["row_id", "x"],
    "rows": [[7, 0.5]],
    "truncated": False,
    "row_count": 1,
}


@pytest.fixture
def filled(store: Mistique, csv: Path, houses: pd.DataFrame) -> Mistique:
    for dag_id, model in (("train", XSS), ("secret", "hidden_model")):
        with store.run("houses", model, key=airflow_key(dag_id, "manual__2026-01-01T00:00:00+00:00")) as run:
            run.stage("read", ReadCsvStage(str(csv)))
    store.log_frame("houses", "script", "raw", houses)
    record_query(
        store.catalogue,
        technique="pointq",
        request={"k": 1},
        dag_id="ask",
        run_id="q1",
        plan="houses.linear@1.read: READ because reading is estimated at 0.10 ms.\n  READ 0.10 ms: 2 chunks",
        strategy="read",
        answer=ANSWER,
        seconds=0.01,
    )
    record_query(store.catalogue, technique="topk", request={}, dag_id="secret", run_id="q2", answer=ANSWER)
    return store


@pytest.fixture
def client(auth_manager: Any, filled: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location) as opened:
        yield opened


RUN = {"dag_id": "train", "run_id": "manual__2026-01-01T00:00:00+00:00"}
SECRET = {**RUN, "dag_id": "secret"}


def test_every_route_refuses_who_is_not_logged_in(auth_manager: Any, filled: Mistique) -> None:
    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location, login=False) as client:
        client.pages.add_api_route("/added-later", lambda: "open")
        found = {str(route.path) for route in client.pages.routes}
        assert {"/runs", "/run", "/query/{query_id}", "/storage", "/api/runs", "/style.css", "/added-later"} <= found
        assert "/api/modeldb/runs/{run_id}" in found
        for path in {*found, "/docs", "/openapi.json", "/no/such/page"}:
            address = "/mistique" + re.sub(r"\{\w+\}", "1", path)
            for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
                assert client.request(method, address).status_code == 401, (method, address)
            client.cookies.set("_token", "garbage")
            assert client.get(address).status_code in (401, 403)
            client.cookies.clear()
            refused = client.get(address, headers={"Authorization": "Bearer garbage"})
            assert refused.status_code in (401, 403)


def test_a_viewer_sees_the_pages(client: Any) -> None:
    for path in ("/runs", "/style.css", "/nav.js", "/icon.svg", "/api/runs"):
        assert client.get("/mistique" + path).status_code == 200, path
    for path in ("/run", "/api/run"):
        assert client.get("/mistique" + path, params=RUN).status_code == 200
    assert client.get("/mistique/docs").status_code == client.get("/mistique/openapi.json").status_code == 404
    assert client.get("/mistique/").headers["location"] == "/mistique/app/projects"
    assert client.get("/mistique/storage").headers["location"] == "/mistique/app/storage"
    assert client.post("/mistique/runs").status_code == 405


def test_a_session_cookie_is_a_login_too(client: Any) -> None:
    token = client.headers.pop("Authorization").removeprefix("Bearer ")
    client.cookies.set("_token", token)
    assert client.get("/mistique/runs").status_code == 200


def test_dags_that_the_user_may_not_read_are_hidden(client: Any) -> None:
    listed = client.get("/mistique/api/runs").json()
    assert {run["dag_id"] for run in listed["runs"]} == {"train", "houses.script"}
    assert listed["total"] == 2
    for path in ("/runs", "/api/runs"):
        text = client.get("/mistique" + path).text
        assert "secret" not in text.replace(str(SECRET), ""), path
        assert "hidden_model" not in text, path
    for path in ("/run", "/api/run"):
        assert client.get("/mistique" + path, params=SECRET).status_code == 403
        assert client.get("/mistique" + path, params={"dag_id": "secret", "run_id": "q2"}).status_code == 403
    assert client.get("/mistique/query/2").status_code == client.get("/mistique/api/query/2").status_code == 403


def test_the_origin_of_a_reused_stage_is_hidden_with_its_dag(client: Any, filled: Mistique, csv: Path) -> None:
    with filled.run("houses", "mine", key=airflow_key("train", "again")) as run:
        run.stage("read", ReadCsvStage(str(csv)))
    again = client.get("/mistique/api/run", params={"dag_id": "train", "run_id": "again"}).json()
    assert again["stages"][0]["is_reused"]
    assert again["stages"][0]["origin"]["dag_id"] == "train"
    with filled.catalogue.write() as connection:
        connection.exec_driver_sql(
            "UPDATE experiment_run SET dag_id='secret2' WHERE dag_id='train' AND run_id<>'again'"
        )
    hidden = client.get("/mistique/api/run", params={"dag_id": "train", "run_id": "again"}).json()
    assert hidden["stages"][0]["is_reused"]
    assert hidden["stages"][0]["origin"] is None


def test_a_trials_page_leads_to_the_run_of_its_search(client: Any, filled: Mistique) -> None:
    """Which is a DAG run; and who may not read the DAG does not see its trials."""
    for dag_id in ("train", "secret"):
        key = airflow_key(dag_id, "manual__1/trial-3")
        filled.run("houses", "linear_search", key=key, facts={"run_type": "trial"}).finish()
    page = client.get("/mistique/run", params={"dag_id": "train", "run_id": "manual__1/trial-3"})
    assert page.status_code == 200
    assert '/dags/train/runs/manual__1"' in page.text
    hidden = client.get("/mistique/run", params={"dag_id": "secret", "run_id": "manual__1/trial-3"})
    assert hidden.status_code == 403


def test_the_run_page_shows_stages_and_the_question_page_the_answer(client: Any) -> None:
    page = client.get("/mistique/run", params=RUN).text
    assert "executed" in page
    assert "ReadCsv" in page
    assert '<td class="num">8</td>' in page
    assert "/dags/train/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00" in page
    for path, params in (("/run", {"dag_id": "ask", "run_id": "q1"}), ("/query/1", {})):
        answer = client.get("/mistique" + path, params=params).text
        assert "READ" in answer
        assert "because reading is estimated at 0.10 ms." in answer
        assert "2 chunks" in answer
        assert "0.5" in answer
    assert client.get("/mistique/api/query/1").json()["answer"] == ANSWER


class _Trained(Stage):
    """Records what a network was trained with."""

    is_source = True

    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Any, learned: Any = None) -> StageResult:
        layers = [{"name": XSS, "weights": 0}, {"name": "dense", "weights": 131_328}]
        facts = {"epochs": 3, "betas": [0.9, 0.99], "architecture": layers}
        return StageResult(metrics={"loss": 0.5}, hyperparameters=facts)


def test_hyperparameters_that_are_lists_of_objects_are_tables(client: Any, filled: Mistique) -> None:
    with filled.run("houses", "net", key=airflow_key("train", "r9")) as run:
        run.stage("train", _Trained())
    page = client.get("/mistique/run", params={"dag_id": "train", "run_id": "r9"}).text
    assert "<summary>architecture, 2 rows</summary>" in page
    assert '<td>dense</td><td class="num">131328</td>' in page
    assert "<dt>betas</dt><dd>[0.9, 0.99]</dd>" in page
    assert "<dt>architecture</dt>" not in page
    assert XSS not in page


def test_names_are_text_and_never_markup(client: Any) -> None:
    for path, params in (
        ("/runs", {}),
        ("/runs", {"model": XSS}),
        ("/run", RUN),
        ("/query/1", {}),
        ("/run", {"dag_id": XSS, "run_id": XSS}),
        ("/query/" + XSS, {}),
    ):
        response = client.get("/mistique" + path, params=params)
        assert XSS not in response.text, path
        assert "alert(1)" in response.text or path.startswith("/query/"), path
        assert "script-src 'self'" in response.headers["content-security-policy"]
        assert "no-store" in response.headers["cache-control"]


def test_filters_and_pages(client: Any, filled: Mistique) -> None:
    assert "No run matches" in client.get("/mistique/runs", params={"project": "none"}).text
    assert "past the last run" in client.get("/mistique/runs", params={"page": 9}).text
    assert client.get("/mistique/api/runs", params={"model": "script"}).json()["total"] == 1
    for number in range(30):
        record_run(filled.catalogue, RunReport("train", f"r{number}", "running", started_at=time.time()))
    assert "Page 1 of 2" in client.get("/mistique/runs").text
    assert "Page 2 of 2" in client.get("/mistique/runs", params={"page": 2}).text
    assert len(client.get("/mistique/api/runs", params={"limit": 5}).json()["runs"]) == 5


def test_what_does_not_exist_is_said_with_what_to_do(client: Any) -> None:
    missing = client.get("/mistique/run", params={"dag_id": "train", "run_id": "nope"})
    assert missing.status_code == 404
    assert "stage operator" in missing.text
    assert "All runs" in missing.text
    assert client.get("/mistique/api/run", params={"dag_id": "train", "run_id": "nope"}).json()["error"]
    assert client.get("/mistique/query/99").status_code == 404
    assert client.get("/mistique/run").status_code == 422
    assert client.get("/mistique/no/such/page").status_code == 404


def test_an_empty_store_says_what_to_do(auth_manager: Any, store: Mistique) -> None:
    with make_client(auth_manager, lambda: store.catalogue, store.config.location) as client:
        assert "Trigger a DAG with stage operators" in client.get("/mistique/runs").text


def test_an_unreachable_catalogue_is_one_line_and_503(auth_manager: Any, tmp_path: Path) -> None:
    def down() -> Catalogue:
        raise CatalogueUnavailableError("the catalogue cannot be reached; start it")

    def broken() -> Catalogue:
        return Catalogue(f"sqlite:///{tmp_path}", 0.1)

    for catalogue in (down, broken):
        with make_client(auth_manager, catalogue, tmp_path) as client:
            for path in ("/runs", "/query/1", "/api/runs"):
                response = client.get("/mistique" + path)
                assert response.status_code == 503, path
                assert "Traceback" not in response.text
                assert "catalogue" in response.text


def test_run_states_are_refreshed_first_but_not_often_and_never_at_the_pages_cost(
    auth_manager: Any, filled: Mistique, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[float] = []

    def refresh() -> None:
        calls.append(time.monotonic())
        raise RuntimeError("Airflow's database is away")

    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location, before_read=refresh) as client:
        assert client.get("/mistique/query/1").status_code == 200
        assert not calls
        for _ in range(3):
            assert client.get("/mistique/runs").status_code == 200
    assert len(calls) == 1
    assert "could not be brought up to date" in caplog.text


def test_the_plugin_is_light_and_complete() -> None:
    import importlib.util

    from tests.airflow_home import PLUGINS

    spec = importlib.util.spec_from_file_location("mistique_plugin_under_test", PLUGINS / "mistique_plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin = module.MistiquePlugin
    assert plugin.fastapi_apps[0]["url_prefix"] == "/mistique"
    assert {(view["destination"], view["url_route"]) for view in plugin.external_views} == {
        ("nav", "mistique"),
        ("dag", "mistique_dag"),
        ("dag_run", "mistique_run"),
        ("task_instance", "mistique_task"),
    }
    assert plugin.listeners
    assert hasattr(plugin.listeners[0], "on_dag_run_success")
    assert not hasattr(module, "FastAPI")
    assert plugin.fastapi_apps[0]["app"]._app is None
