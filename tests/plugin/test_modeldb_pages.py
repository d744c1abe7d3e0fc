"""ModelDB's interactive pages behind Airflow's roles: what is hidden stays hidden, and viewers change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.modeldb import ModelDB
from mistique_core.workflows import ReadCsvStage
from mistique_core.workflows.fit import FitStage
from tests.plugin.conftest import airflow_key, make_client
from tests.plugin.dash_calls import APP, body_of, dependencies, show

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]


@pytest.fixture
def models(store: Mistique, csv: Any) -> dict[str, int]:
    """Two DAGs with a model each, of which ``secret`` may not be read: DAG -> its fitted model."""
    for dag_id in ("train", "secret"):
        with store.run(f"project_{dag_id}", "m", key=airflow_key(dag_id, "r1")) as run:
            read = run.stage("read", ReadCsvStage(str(csv)))
            line = FitStage("sklearn.linear_model.LinearRegression", "price", {})
            run.stage("line", line, {"data": read.outputs[""]})
    db = ModelDB(store)
    return {run.dag_id: db.explore.main_models([run.id])[run.id][0].id for run in db.search("").runs}


@pytest.fixture
def client(auth_manager: Any, store: Mistique, models: dict[str, int]) -> Iterator[Any]:
    del models
    with make_client(auth_manager, lambda: store.catalogue, store.config.location) as opened:
        yield opened


@pytest.fixture
def editor(auth_manager: Any, store: Mistique, models: dict[str, int]) -> Iterator[Any]:
    del models
    with make_client(auth_manager, lambda: store.catalogue, store.config.location, role="user") as opened:
        yield opened


def call(client: Any, output: str, first: str, values: dict[str, Any]) -> Any:
    """Ask the callback with this output whose first input is `first`."""
    [callback] = [
        item
        for item in dependencies(client)
        if output in str(item["output"]) and item["inputs"] and first in str(item["inputs"][0]["id"])
    ]
    asked = body_of(callback)
    for item in [*asked["inputs"], *asked["state"]]:
        item["value"] = values.get(f"{item['id']}.{item['property']}")
    return client.post(f"{APP}/_dash-update-component", json=asked)


def test_hidden_projects_models_and_runs_are_refused(client: Any, store: Mistique, models: dict[str, int]) -> None:
    runs = {run.dag_id: run.id for run in ModelDB(store).search("").runs}
    projects = {project.name: project.id for project in ModelDB(store).browse.projects()}
    hidden = projects["project_secret"]
    for path, search in (
        (f"/projects/{hidden}", ""),
        (f"/projects/{hidden}/models", ""),
        (f"/models/{models['secret']}", ""),
        ("/compare", f"?runs={runs['train']},{runs['secret']}"),
    ):
        text = show(client, path, search).text
        assert "You may not read" in text, path
        assert "project_secret" not in text
    text = show(client, "/models").text
    assert "1 of 1 runs" in text
    assert "secret" not in text


def test_the_rows_of_the_table_leave_hidden_runs_out(client: Any) -> None:
    given = {
        "models-grid.getRowsRequest": {"startRow": 0, "endRow": 100, "sortModel": [], "filterModel": {}},
        "models-state.data": {
            "filter": "",
            "search": "",
            "invert": "",
            "group": "none",
            "columns": "dag_id",
            "sort": "",
        },
        "models-scope.data": {"project": None},
        "modeldb-address.search": "",
    }
    found = call(client, "models-grid.getRowsResponse", "models-grid", given).json()["response"]["models-grid"]
    assert [row["dag_id"] for row in found["getRowsResponse"]["rowData"]] == ["train"]
    assert found["getRowsResponse"]["rowCount"] == 1


def edits(model: int) -> list[tuple[str, dict[str, Any]]]:
    scope = {"model-scope.data": {"model": model}}
    return [
        ("model-annotate", {"model-annotate.n_clicks": 1, "model-annotation.value": "hello", **scope}),
        ("model-add-tag", {"model-add-tag.n_clicks": 1, "model-tag.value": "t", **scope}),
        (
            "model-move",
            {"model-move.n_clicks": 1, "model-life.value": "production", "model-others.value": "keep", **scope},
        ),
        ("model-save", {"model-save.n_clicks": 1, "model-metadata.value": '{"a": 1}', **scope}),
    ]


def written(store: Mistique, model: int) -> tuple[Any, ...]:
    db = ModelDB(store)
    found = db.browse.model(model)
    return len(found.annotations), found.run.tags, found.run.life_stages, found.model.metadata


def test_a_viewer_sees_no_forms_and_changes_nothing(client: Any, store: Mistique, models: dict[str, int]) -> None:
    model = models["train"]
    text = show(client, f"/models/{model}").text
    assert "LinearRegression" in text
    assert "you need the right to edit" in text
    assert "model-annotate" not in text
    before = written(store, model)
    for first, given in edits(model):
        answer = call(client, "model-said.children", first, given)
        assert "may not change" in answer.text, first
    assert written(store, model) == before == (0, (), (None,), {})


def test_an_editor_changes_what_may_be_changed_and_nothing_hidden(
    editor: Any, store: Mistique, models: dict[str, int]
) -> None:
    assert "model-annotate" in show(editor, f"/models/{models['train']}").text
    for first, given in edits(models["secret"]):
        assert "You may not read" in call(editor, "model-said.children", first, given).text
    assert written(store, models["secret"]) == (0, (), (None,), {})
    for first, given in edits(models["train"]):
        assert call(editor, "model-said.children", first, given).status_code == 200
    assert written(store, models["train"]) == (1, ("t",), ("production",), {"a": 1})
    assert ModelDB(store).annotations.of_model(models["train"])[0].author == "vera"
