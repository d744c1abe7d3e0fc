"""ModelDB's JSON API: every call of the original has a route, behind Airflow's login and its rights on DAGs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import intermediate_by_id
from mistique_core.catalogue.tables import intermediate
from mistique_core.model import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import Feature, FitFacts, LinearFacts, LinearTerm, ProblemType
from mistique_core.modeldb import ModelDB, RunRecorder
from mistique_core.workflows.evaluate import EvaluateStage
from mistique_core.workflows.fit import FitStage
from mistique_core.workflows.predict import PredictStage
from mistique_core.workflows.read import ReadSklearnStage
from mistique_core.workflows.split import SplitStage
from tests.plugin.conftest import airflow_key, make_client

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]
API = "/mistique/api/modeldb"


@dataclass
class Recorded:
    """Rows of what the fixture recorded: of a readable DAG, of a hidden one, and of a script."""

    train: int
    secret: int
    script: int
    models: dict[str, int]
    frames: dict[str, int]
    fit: StageEvent


def pipeline(store: Mistique, dag_id: str, depth: int) -> int:
    with store.run("wine", f"{dag_id}_tree", key=airflow_key(dag_id, f"r{depth}")) as run:
        wine = run.stage("wine", ReadSklearnStage("wine")).outputs[""]
        split = run.stage("split", SplitStage(0.3, 1), {"data": wine}).outputs
        tree = FitStage("sklearn.tree.DecisionTreeClassifier", "target", {"max_depth": depth, "random_state": 0})
        model = run.stage("tree", tree, {"data": split["train"]}).outputs["model"]
        made = run.stage("predictions", PredictStage(["target"]), {"model": model, "data": split["test"]}).outputs[""]
        run.stage("scores", EvaluateStage("target", ["accuracy"]), {"data": made})
    return run.id


def script(store: Mistique, model: str, coefficient: float) -> tuple[int, StageEvent]:
    data = FrameEntity(40, (("age", "int64"), ("income", "float64")), "train", "people.csv")
    facts = FitFacts(
        "LinearRegression",
        ProblemType.REGRESSION,
        features=(Feature("age", 2.0), Feature("income", 1.0)),
        label_columns=("height",),
        linear=LinearFacts(
            (LinearTerm(0, "intercept", "", 1.0), LinearTerm(1, "age", "", coefficient, 0.5, 4.0, 0.01)),
            is_standardized=True,
        ),
        history={"objective": (3.0, 1.0, 0.99)},
    )
    fit = StageEvent(
        StageKind.FIT,
        "fit",
        "sklearn:LinearRegression",
        "LinearRegression",
        inputs={"data": data},
        fitted={"model": TransformerEntity(facts)},
        hyperparameters={"alpha": coefficient},
    )
    read = StageEvent(StageKind.READ, "read", "pandas:read_csv", "read_csv", frames={"": data})
    metric = StageEvent(
        StageKind.METRIC,
        "evaluate",
        "m:E",
        "Evaluate",
        metrics={"r2": 0.5},
        metrics_of=fit.fitted["model"],
        metrics_on=data,
    )
    with RunRecorder(store.catalogue, "people", model) as run:
        run.record([read, fit, metric])
    return run.id, fit


@pytest.fixture
def recorded(store: Mistique) -> Recorded:
    train, secret = pipeline(store, "train", 2), pipeline(store, "secret", 3)
    first, fit = script(store, "a", 2.0)
    second, other = script(store, "b", 3.0)
    with store.catalogue.read() as connection:
        models = pd.read_sql(
            "SELECT t.id, r.dag_id FROM transformer t JOIN experiment_run r ON r.id = t.run_id", connection
        )
        frames = pd.read_sql("SELECT id, run_id, output FROM data_frame", connection)
    by_dag = dict(zip(models["dag_id"], models["id"].tolist(), strict=True))
    rows = {
        "test": int(frames[(frames["run_id"] == train) & (frames["output"] == "test")]["id"].iloc[0]),
        "secret": int(frames[frames["run_id"] == secret]["id"].iloc[0]),
    }
    a, b = fit.fitted["model"].id, other.fitted["model"].id
    assert a is not None
    assert b is not None
    return Recorded(train, secret, first, {**by_dag, "a": a, "b": b, "second_run": second}, rows, fit)


@pytest.fixture
def client(auth_manager: Any, store: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: store.catalogue, store.config.location) as opened:
        yield opened


@pytest.fixture
def editor(auth_manager: Any, store: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: store.catalogue, store.config.location, role="user") as opened:
        yield opened


def get(client: Any, path: str, **params: Any) -> Any:
    answer = client.get(f"{API}{path}", params=params)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    return answer.json()


def test_search_in_pages(client: Any, recorded: Recorded) -> None:
    """The filter, its columns, pages, and nothing of a DAG that the user may not read."""
    found = get(
        client, "/runs", filter="metrics.accuracy > 0.1 order by started", columns="metrics.accuracy,params.max_depth"
    )
    assert [(run["id"], run["dag_id"]) for run in found["runs"]] == [(recorded.train, "train")]
    assert found["runs"][0]["hyperparameters"] == {"max_depth": 2}
    assert 0.5 < found["runs"][0]["metrics"]["accuracy"] <= 1
    first, second = (get(client, "/runs", filter="order by id", limit=1, offset=offset) for offset in (0, 1))
    assert (first["total"], second["total"], first["limit"]) == (3, 3, 1)
    assert first["runs"][0]["id"] != second["runs"][0]["id"]
    answer = client.get(f"{API}/runs", params={"filter": "metrics.auc >"})
    assert answer.status_code == 400
    assert "a value must stand here" in answer.json()["error"]


def test_what_is_known_of_a_run_and_its_models(client: Any, recorded: Recorded) -> None:
    contents = get(client, f"/runs/{recorded.train}")
    assert [event["name"] for event in contents["events"]] == ["wine", "split", "tree", "predictions", "scores"]
    assert get(client, f"/runs/{recorded.train}/models")["total"] == 1
    model = recorded.models["train"]
    detail = get(client, f"/models/{model}")
    assert detail["facts"]["type_name"] == "DecisionTreeClassifier"
    assert list(detail["metrics"]) == ["accuracy"]
    assert list(detail["metrics"]["accuracy"]) == [str(recorded.frames["test"])]
    assert [step["event"]["name"] for step in get(client, f"/models/{model}/pipeline")][-1] == "tree"
    assert len(get(client, f"/models/{model}/original-features")["columns"]) == 13
    assert get(client, "/models/training-rows", ids=f"{model},{recorded.models['a']}") == [124, 40]
    assert get(client, "/data-frames/" + str(recorded.frames["test"]))["rows"] == 54
    ancestry = get(client, f"/data-frames/{recorded.frames['test']}/ancestry")
    assert [item["frame"]["output"] for item in ancestry["ancestors"]] == [""]
    assert get(client, f"/models/{model}/ancestry")


def test_comparisons_and_searches_of_models(client: Any, recorded: Recorded) -> None:
    a, b = recorded.models["a"], recorded.models["b"]
    both = {"first": a, "second": b}
    assert get(client, "/compare/hyperparameters", **both)["shared"] == {"alpha": [2.0, 3.0]}
    assert get(client, "/compare/features", **both)["shared"] == ["age", "income"]
    assert {item["feature"] for item in get(client, "/compare/feature-importances", **both)} == {"age", "income"}
    assert get(client, f"/models/{a}/confidence-intervals", significance=0.05)[0]["name"] == "age"
    assert get(client, f"/models/{a}/feature-importances")[0] == "age"
    assert get(client, "/models/rank", ids=f"{a},{b},999", metric="r2") == [a, b]
    assert get(client, "/models/by-problem-type", ids=f"{a},{b}") == {"regression": [a, b]}
    assert get(client, "/models/iterations-until-convergence", ids=str(a), tolerance=0.5) == [3]
    assert get(client, f"/models/{a}/similar", by="model type", limit=5) == [b]
    assert get(client, "/models/ids", features="age,income")["items"] == [a, b]
    table = get(client, "/runs/compare", ids=f"{recorded.script},{recorded.models['second_run']}")
    assert (table["parameter_names"], table["parameters"]) == (["alpha"], [[2.0, 3.0]])
    answer = client.get(f"{API}/compare/feature-importances", params={"first": a, "second": recorded.models["train"]})
    assert answer.status_code == 200
    answer = client.get(f"{API}/models/{recorded.models['train']}/feature-importances")
    assert answer.status_code == 409


def test_projects_and_versions(client: Any, recorded: Recorded) -> None:
    overview = {item["name"]: item for item in get(client, "/projects")["items"]}
    assert (overview["wine"]["runs"], overview["people"]["runs"]) == (1, 2)
    assert overview["people"]["metrics"]["r2"] == {"count": 2, "minimum": 0.5, "mean": 0.5, "maximum": 0.5}
    experiments = get(client, f"/projects/{overview['people']['id']}/experiments")
    assert experiments["total"] == 2
    assert get(client, f"/experiments/{experiments['items'][0]['id']}/runs")["total"] == 1
    record = get(client, "/versions/wine/train_tree/1")
    assert set(record["stages"]) == {"wine", "split", "tree", "predictions", "scores"}
    assert yaml.safe_load(get(client, "/versions/wine/train_tree/1/workflow")["yaml"])["project"] == "wine"
    assert get(client, "/versions/wine/train_tree/1/verdict") is None
    assert get(client, "/versions/wine/train_tree/1/life") == {"life_stage": None, "history": []}


def test_hidden_rows_are_refused(client: Any, recorded: Recorded) -> None:
    """Whatever way leads to it: by run, model, data frame or version; and unknown rows are 404."""
    model, frame = recorded.models["secret"], recorded.frames["secret"]
    for path in (
        f"/runs/{recorded.secret}",
        f"/runs/compare?ids={recorded.train},{recorded.secret}",
        f"/models/{model}",
        f"/models/{model}/ancestry",
        f"/models/rank?ids={model}&metric=accuracy",
        f"/compare/features?first={recorded.models['train']}&second={model}",
        f"/data-frames/{frame}",
        "/versions/wine/secret_tree/1",
        f"/metadata/run/{recorded.secret}",
    ):
        answer = client.get(f"{API}{path}")
        assert answer.status_code == 403, path
        assert "secret_tree" not in answer.text
    for path in ("/runs/99999", "/models/99999", "/data-frames/99999", "/versions/wine/none/1", "/experiments/99999"):
        assert client.get(f"{API}{path}").status_code == 404, path
    assert client.get(f"{API}/runs/compare?ids=1,x").status_code == 400
    assert client.get(f"{API}/runs?limit=100000").status_code == 422


def test_what_leads_to_hidden_runs(client: Any, editor: Any, store: Mistique, recorded: Recorded) -> None:
    """Lineage through a run that may not be read is refused; lists leave its rows out."""
    with store.catalogue.read() as connection:
        upstream = intermediate_by_id(
            connection,
            int(
                connection.scalar(
                    sa.select(intermediate.c.id)
                    .where(intermediate.c.name == "split_train")
                    .order_by(intermediate.c.id.desc())
                )
            ),
        ).ref
    with store.run("wine", "train_more", key=airflow_key("train", "later")) as run:
        tree = FitStage("sklearn.tree.DecisionTreeClassifier", "target", {"max_depth": 1, "random_state": 0})
        run.stage("tree", tree, {"data": upstream})
    with store.catalogue.read() as connection:
        model = int(connection.execute(sa.text("SELECT max(id) FROM transformer")).scalar_one())
    assert get(client, f"/models/{model}")["model"]["type_name"] == "DecisionTreeClassifier"
    for path in (f"/models/{model}/ancestry", f"/models/{model}/original-features"):
        assert client.get(f"{API}{path}").status_code == 403, path
    similar = get(client, f"/models/{model}/similar", by="model type", limit=10)
    assert recorded.models["train"] in similar
    assert recorded.models["secret"] not in similar
    features = ",".join(["alcohol", "hue"])
    assert recorded.models["secret"] not in get(client, "/models/ids", features=features)["items"]
    ModelDB(store).tags.add("run", recorded.secret, "hidden-tag")
    ModelDB(store).tags.add("run", recorded.train, "seen-tag")
    assert get(client, "/tags") == {"seen-tag": 1}


def test_edits(editor: Any, recorded: Recorded) -> None:
    """Annotations, tags, life stages, texts and typed metadata, and what they refuse."""
    run, model = recorded.train, recorded.models["train"]
    body = {"fragments": [{"message": "see"}, {"model_id": model}]}
    written = editor.post(f"{API}/runs/{run}/annotations", json=body)
    assert written.status_code == 201
    assert written.json()["author"] == "vera"
    assert get(editor, f"/models/{model}/annotations")[0]["id"] == written.json()["id"]
    assert editor.delete(f"{API}/annotations/{written.json()['id']}").status_code == 200
    assert get(editor, f"/runs/{run}/annotations") == []

    assert editor.put(f"{API}/tags/run/{run}/good").json() == ["good"]
    assert [item["id"] for item in get(editor, "/runs", filter="tags.good")["runs"]] == [run]
    assert editor.delete(f"{API}/tags/run/{run}/good").json() == []

    life = f"{API}/versions/wine/train_tree/1/life"
    assert editor.put(life, json={"life_stage": "production"}).json() == {"life_stage": "production"}
    assert editor.put(life, json={"life_stage": "great"}).status_code == 422
    assert [item["id"] for item in get(editor, "/runs", filter="life = 'production'")["runs"]] == [run]

    metadata = f"{API}/metadata/model/{model}"
    assert editor.put(f"{metadata}/scalar?path=team.size", json={"value": 3, "type": "int"}).status_code == 200
    assert editor.put(f"{metadata}/scalar?path=team.size", json={"value": "x", "type": "int"}).status_code == 400
    assert editor.post(f"{metadata}/vector?path=scores", json={"values": [1.5], "type": "double"}).status_code == 201
    assert editor.post(f"{metadata}/vector/items?path=scores", json={"value": 2.5, "type": "double"}).status_code == 201
    done = editor.put(f"{metadata}/vector/0?path=scores", json={"value": 0.5, "type": "double"}).json()
    assert done == {"team": {"size": 3}, "scores": [0.5, 2.5]}
    assert get(editor, "/models/ids", key="team.size", value="3")["items"] == [model]
    assert editor.delete(f"{metadata}?path=scores").json() == {"team": {"size": 3}}

    described = editor.put(f"{API}/description/run/{recorded.script}", json={"value": "by hand"})
    assert described.status_code == 200
    assert get(editor, "/runs", filter="description like '%hand%'")["total"] == 1


def test_who_may_not_edit(client: Any, editor: Any, recorded: Recorded) -> None:
    """Viewers change nothing; editors nothing of a DAG that they may not edit, nor a project that it has runs in."""
    calls = (
        ("post", f"/runs/{recorded.train}/annotations", {"fragments": [{"message": "x"}]}),
        ("put", f"/tags/run/{recorded.train}/t", None),
        ("put", "/versions/wine/train_tree/1/life", {"life_stage": "archived"}),
        ("put", f"/metadata/run/{recorded.script}", {"a": 1}),
        ("delete", f"/runs?ids={recorded.script}", None),
    )
    for method, path, body in calls:
        assert client.request(method, f"{API}{path}", json=body).status_code == 403, path
    assert editor.put(f"{API}/tags/run/{recorded.secret}/t").status_code == 403
    assert editor.delete(f"{API}/runs?ids={recorded.train},{recorded.secret}").status_code == 403
    assert get(client, f"/tags/run/{recorded.train}") == []
    plain = editor.post(
        f"{API}/runs/{recorded.train}/annotations",
        content=json.dumps({"fragments": [{"message": "x"}]}),
        headers={"Content-Type": "text/plain"},
    )
    assert plain.status_code == 422


def test_runs_are_deleted(editor: Any, recorded: Recorded, store: Mistique) -> None:
    """First what it would be, then it is gone, with its intermediates."""
    would = editor.delete(f"{API}/runs?ids={recorded.train}&dry_run=true").json()
    assert would["versions"] == ["wine.train_tree@1"]
    assert get(editor, f"/runs/{recorded.train}")
    assert editor.delete(f"{API}/runs?ids={recorded.train}").status_code == 200
    assert editor.get(f"{API}/runs/{recorded.train}").status_code == 404
    assert store.intermediates("wine", "train_tree").empty


def test_openapi_describes_every_route(client: Any, auth_manager: Any, store: Mistique) -> None:
    """Behind the login, with a summary for each operation, and pages left out."""
    document = client.get("/mistique/api/openapi.json").json()
    operations = {(method, path) for path, item in document["paths"].items() for method in item}
    assert all(path.startswith("/api/") for _, path in operations)
    assert len([path for _, path in operations if path.startswith("/api/modeldb")]) > 45
    assert all(item[method].get("summary") for item in document["paths"].values() for method in item)
    assert "SearchPage" in document["components"]["schemas"]
    with make_client(auth_manager, lambda: store.catalogue, store.config.location, login=False) as nobody:
        assert nobody.get("/mistique/api/openapi.json").status_code == 401
        assert nobody.get(f"{API}/runs").status_code == 401
        assert nobody.put(f"{API}/tags/run/1/t").status_code == 401


def test_the_page_of_a_script_shows_what_is_not_stored(client: Any, store: Mistique, recorded: Recorded) -> None:
    """Data frames and models of a client have their shape, and no bytes; parts say what they are a part of."""
    whole = StageEvent(StageKind.CROSS_VALIDATION, "cv", "sklearn:cv", "cross_validate", facts={"folds": 1})
    fold = StageEvent(StageKind.METRIC, "fold", "sklearn:cv", "Fold", metrics={"auc": 0.5}, parent=whole)
    with RunRecorder(store.catalogue, "people", "page", name="script.py", run_id="once") as run:
        run.record(
            [
                StageEvent(
                    StageKind.READ, "read", "pandas:read_csv", "read_csv", frames={"": FrameEntity(7, None, "raw")}
                )
            ]
        )
        run.record([recorded_fit()])
        run.record([whole, fold])
    page = client.get("/mistique/run", params={"dag_id": "script.py", "run_id": "once"})
    assert page.status_code == 200
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
    assert "raw 7 – not stored" in text
    assert "LinearRegression not stored fitted" in text
    assert "part of cv" in text
    strip = page.text.partition('aria-label="Pipeline"')[2].partition("</ol>")[0]
    assert re.findall(r"<strong>(\w+)", strip) == ["read", "fit", "cv"], "parts are not steps of their own"


def recorded_fit() -> StageEvent:
    facts = FitFacts("LinearRegression", ProblemType.REGRESSION)
    return StageEvent(StageKind.FIT, "fit", "sklearn:L", "L", fitted={"model": TransformerEntity(facts)})
