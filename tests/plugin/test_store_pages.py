"""Who may not read a DAG sees nothing of its models on the pages that ask, look and weigh."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.model import IntermediateKey
from mistique_core.workflows import ReadCsvStage
from tests.plugin.conftest import airflow_key, make_client
from tests.plugin.dash_calls import APP, body_of, dependencies, show

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]


@pytest.fixture
def filled(store: Mistique, csv: Path) -> Mistique:
    for dag_id, project, model in (("train", "seen", "model"), ("secret", "hidden_project", "hidden_model")):
        with store.run(project, model, key=airflow_key(dag_id, "r1")) as run:
            run.stage("read", ReadCsvStage(str(csv)))
    return store


@pytest.fixture
def client(auth_manager: Any, filled: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location) as opened:
        yield opened


def ask(client: Any, output: str, inputs: dict[str, Any]) -> str:
    """Return the text of a callback's answer; `inputs` are values by the id, or by the name of a pattern's type."""
    [callback] = [item for item in dependencies(client) if output in str(item["output"]).replace("\\", "")]
    asked = body_of(callback)
    for item in [*asked["inputs"], *asked["state"]]:
        one = item[0] if isinstance(item, list) else item
        name = one["id"] if isinstance(one["id"], str) else f"{one['id']['type']}.{one['property']}"
        if name in inputs:
            one["value"] = inputs[name]
    return str(client.post(f"{APP}/_dash-update-component", json=asked).text)


def identify(store: Mistique, key: str) -> tuple[int, int]:
    with store.catalogue.read() as connection:
        record = find_intermediate(connection, IntermediateKey.parse(key))
    return record.ref.id, record.model_version_id


def test_pages_name_no_hidden_model(client: Any, filled: Mistique) -> None:
    for path in ("/storage", "/intermediates", "/ask"):
        answer = show(client, path)
        assert "hidden_model" not in answer.text, path
        assert "hidden_project" not in answer.text, path
        assert path == "/ask" or "seen" in answer.text
    found, version = identify(filled, "hidden_project.hidden_model.read")
    for search in (f"?intermediate={found}", f"?version={version}&project=hidden_project&model=hidden_model"):
        text = show(client, "/intermediates", search).text
        assert "rooms" not in text
        assert "hidden_model" not in text.replace(search, "")
    refused = show(client, "/intermediates", f"?intermediate={found}").text
    assert "You may not read version" in refused


def test_a_question_about_a_hidden_model_is_refused(client: Any) -> None:
    for project, told in (("hidden_project.hidden_model", "You may not read version"), ("seen.model", "8 rows")):
        inputs = {
            "ask-technique": "col_dist",
            "ask-field.value": f"{project}.read.rooms",
            "ask-field.id": {"type": "ask-field", "name": "key"},
        }
        text = ask(client, "ask-answer.children", inputs)
        assert told in text, text[:500]
        assert ("ask-sentence" in text) == (project == "seen.model")


def test_keys_of_a_hidden_model_are_not_suggested(client: Any) -> None:
    inputs = {"ask-technique": "col_dist", "ask-field.id": {"type": "ask-field", "name": "key"}}
    for written, is_seen in (("", True), ("hidden_project.hidden_model.read.", False), ("seen.model.read.", True)):
        text = ask(client, '"type":"ask-field"}.options', {**inputs, "ask-field.search_value": written})
        labels = [item["label"] for item in _options(json.loads(text)["response"])] if text else []
        assert not any(label.startswith("hidden") and label != written for label in labels), written
        assert any(label.startswith("seen.model.read") for label in labels) == is_seen


def _options(response: dict[str, Any]) -> list[dict[str, Any]]:
    [found] = response.values()
    options: list[dict[str, Any]] = found["options"]
    return options


def test_weighing_and_trying_a_hidden_version_are_refused(client: Any, filled: Mistique) -> None:
    _, hidden = identify(filled, "hidden_project.hidden_model.read")
    _, seen = identify(filled, "seen.model.read")
    for version, may in ((hidden, False), (seen, True)):
        text = ask(client, "storage-weighed.children", {"storage-version": version})
        assert ("n_query" in text) == may
        assert may or "You may not read version" in text
        tried = ask(
            client, "storage-tried.children", {"storage-version": version, "storage-limit": 0, "storage-try": 1}
        )
        assert ("would go" in tried) == may


def test_an_empty_store_says_what_to_do(auth_manager: Any, store: Mistique) -> None:
    with make_client(auth_manager, lambda: store.catalogue, store.config.location) as client:
        assert "The store is empty" in show(client, "/storage").text
        assert "Nothing is stored yet" in show(client, "/intermediates").text
