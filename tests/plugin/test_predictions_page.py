"""Who may not read a DAG sees nothing of what its models predict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.modeldb import ModelDB
from tests.plugin.conftest import airflow_key, make_client
from tests.plugin.dash_calls import APP, body_of, dependencies, show

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

ROWS = 40
GROUPS = "predictions-groups-table"
HIDDEN_GROUP = {"predictions-group": "shared.hidden_model@1.features.hidden_column"}
SECRETS = ("hidden_model", "hidden_column", "hidden_project", "0.7373")
"""Texts that a page may show only to who may read the DAG."""


@pytest.fixture
def filled(store: Mistique) -> Mistique:
    """A project with a model of a DAG that Vera may read and one that she may not, and a project that is all hidden."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, ROWS)
    index = pd.RangeIndex(ROWS, name="row_id")
    for dag_id, project, model in (
        ("train", "shared", "seen_model"),
        ("secret", "shared", "hidden_model"),
        ("secret", "hidden_project", "hidden_model"),
    ):
        share = rng.uniform(0.05, 0.95, ROWS) if dag_id == "train" else np.full(ROWS, 0.7373)
        frame = pd.DataFrame({"prediction": share.round(), "probability_1": share, "left": truth}, index=index)
        with store.run(project, model, key=airflow_key(dag_id, "r1")) as run:
            column = "seen_column" if dag_id == "train" else "hidden_column"
            run.log_frame("features", pd.DataFrame({column: rng.integers(0, 3, ROWS)}, index=index))
            run.log_frame("predictions", frame)
    return store


@pytest.fixture
def client(auth_manager: Any, filled: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location) as opened:
        yield opened


def project(store: Mistique, name: str) -> int:
    return next(item.id for item in ModelDB(store).browse.projects() if item.name == name)


def given(store: Mistique, name: str, models: list[str], **changes: Any) -> dict[str, Any]:
    """Return what a browser sends with every callback of the page."""
    state = {"project": project(store, name), "models": models, "label": "left", "positive": None, "threshold": None}
    return {
        "predictions-asked": state,
        "predictions-models": models,
        "predictions-label": "left",
        "predictions-scope": "all",
        "predictions-selected": "",
        "predictions-order": "error",
        "predictions-columns": "chosen",
        "predictions-span": [0, ROWS],
        "predictions-example": {"row": 3, "model": None},
        **changes,
    }


def answers(client: Any, values: dict[str, Any]) -> str:
    """Return the texts of all callbacks of the page, each asked with the given values."""
    texts = []
    for callback in dependencies(client):
        parts = [*callback["inputs"], *callback["state"]]
        if "predictions" not in str([item["id"] for item in parts]):
            continue
        body = body_of(callback)
        for item in [*body["inputs"], *body["state"]]:
            one = item[0] if isinstance(item, list) else item
            if isinstance(one["id"], str) and one["id"] in values:
                one["value"] = values[one["id"]]
        texts.append(client.post(f"{APP}/_dash-update-component", json=body).text)
    assert len(texts) >= 10
    return "\n".join(texts)


def leaked(text: str, sent: dict[str, Any]) -> list[str]:
    """Return the secrets in a text, but for those that the request itself said."""
    return [secret for secret in SECRETS if secret in text and secret not in str(sent)]


def test_the_page_shows_the_readable_model_only(client: Any, filled: Mistique) -> None:
    text = show(client, "/predictions", f"?project={project(filled, 'shared')}").text
    assert "seen_model" in text
    assert leaked(text, {}) == []
    group = {"predictions-group": "shared.seen_model@1.features.seen_column"}
    seen = given(filled, "shared", ["seen_model@1.predictions"], **group)
    text = answers(client, seen)
    assert "seen_model" in text
    assert GROUPS in text
    assert leaked(text, seen) == []


def test_a_hidden_project_is_refused_in_every_pane(client: Any, filled: Mistique) -> None:
    number = project(filled, "hidden_project")
    assert leaked(show(client, "/predictions", f"?project={number}").text, {}) == []
    assert leaked(answers(client, given(filled, "hidden_project", [])), {}) == []
    named = given(filled, "hidden_project", ["hidden_model@1.predictions"])
    assert "0.7373" not in answers(client, named)


def test_a_hidden_model_is_refused_by_its_name(client: Any, filled: Mistique) -> None:
    number = project(filled, "shared")
    text = show(client, "/predictions", f"?project={number}&models=hidden_model@1.predictions").text
    assert "holds no predictions that you may see" in text
    text = answers(client, given(filled, "shared", ["hidden_model@1.predictions"]))
    assert "holds no predictions that you may see" in text
    assert "0.7373" not in text
    assert "hidden_column" not in text


@pytest.mark.parametrize(
    "changes",
    [
        HIDDEN_GROUP,
        {"predictions-order": "group:shared.hidden_model@1.features.hidden_column"},
        {"predictions-order": "model:hidden_model"},
        {"predictions-stage": "hidden_model@1.features"},
        {"predictions-example": {"row": 3, "model": "hidden_model"}},
        {"predictions-example": {"row": 3, "model": "hidden_model@1.predictions"}},
    ],
)
def test_what_belongs_to_a_hidden_model_is_refused_beside_a_readable_one(
    client: Any, filled: Mistique, changes: dict[str, Any]
) -> None:
    sent = given(filled, "shared", ["seen_model@1.predictions"], **changes)
    text = answers(client, sent)
    assert GROUPS not in text
    assert leaked(text, sent) == []


def test_who_may_read_everything_sees_it(auth_manager: Any, filled: Mistique) -> None:
    """The secrets would be found if they were shown."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        session.add(DagModel(dag_id="secret", bundle_name="dags-folder", fileloc="", max_consecutive_failed_dag_runs=0))
    try:
        with make_client(auth_manager, lambda: filled.catalogue, filled.config.location) as client:
            text = show(client, "/predictions", f"?project={project(filled, 'shared')}").text
            assert "hidden_model" in text
            text = answers(client, given(filled, "shared", ["hidden_model@1.predictions"], **HIDDEN_GROUP))
            assert "0.7373" in text
            assert GROUPS in text
    finally:
        with create_session(scoped=False) as session:
            session.delete(session.get(DagModel, "secret"))
