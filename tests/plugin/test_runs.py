"""ModelDB's read side against a real store; expectations come from pandas, scikit-learn and the store's API."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score

from mistique_core import Mistique
from mistique_core.modeldb import RunReport, record_query, record_run
from mistique_core.modeldb.query_records import find_query, list_queries, queries_of_run, query_by_id
from mistique_core.modeldb.records import VersionLabel
from mistique_core.modeldb.runs import find_run, list_models, list_runs
from mistique_core.workflows import EvaluateStage, FitStage, PredictStage, ReadCsvStage
from tests.plugin.conftest import airflow_key

ESTIMATOR = "sklearn.linear_model.LinearRegression"
METRICS = ("mean_absolute_error", "r2")


def train(store: Mistique, csv: Path, run_id: str, model: str = "linear", project: str = "houses") -> None:
    facts = {"run_type": "manual", "dag_version": "3", "conf": {"a": 1}, "params": {"a": 1, "b": 2}}
    with store.run(project, model, key=airflow_key("train", run_id), facts=facts) as run:
        data = run.stage("read", ReadCsvStage(str(csv))).outputs[""]
        fitted = run.stage("fit", FitStage(ESTIMATOR, "price"), {"data": data}).outputs["model"]
        predicted = run.stage("predictions", PredictStage(["price"]), {"model": fitted, "data": data}).outputs[""]
        run.stage("evaluate", EvaluateStage("price", METRICS), {"data": predicted})


@pytest.fixture
def trained(store: Mistique, csv: Path) -> Mistique:
    train(store, csv, "r1")
    train(store, csv, "r2")
    return store


def test_the_list_is_newest_first_and_counts_what_it_leaves_out(trained: Mistique) -> None:
    with trained.catalogue.read() as connection:
        page = list_runs(connection, limit=1)
        rest = list_runs(connection, limit=1, offset=1)
    assert [run.run_id for run in (*page.runs, *rest.runs)] == ["r2", "r1"]
    assert (page.total, rest.total, rest.offset) == (2, 2, 1)


def test_a_run_carries_its_facts_metrics_and_sizes(trained: Mistique, houses: pd.DataFrame) -> None:
    with trained.catalogue.read() as connection:
        second, first = list_runs(connection).runs
    features = houses[["rooms", "area"]]
    fitted = LinearRegression().fit(features, houses["price"])
    predicted = fitted.predict(features)
    assert first.metrics == pytest.approx(
        {
            "r2": r2_score(houses["price"], predicted),
            "mean_absolute_error": mean_absolute_error(houses["price"], predicted),
        }
    )
    assert first.hyperparameters == fitted.get_params()
    assert first.versions == (VersionLabel("houses", "linear", 1),)
    assert (first.project, first.experiment, first.state, first.source) == ("houses", "train", "success", "airflow")
    assert (first.run_type, first.dag_version, first.conf, first.params) == ("manual", "3", {"a": 1}, {"a": 1, "b": 2})
    assert (first.stages, first.reused, second.stages, second.reused) == (4, 0, 4, 4)
    listed = trained.intermediates("houses", "linear")
    for run, number in ((first, 1), (second, 2)):
        rows = listed[listed.version == number]
        assert (run.logical_bytes, run.stored_bytes) == (rows.logical_bytes.sum(), rows.stored_bytes.sum())
    assert second.stored_bytes == 0
    assert first.seconds is not None
    assert 0 < first.seconds < 60


def test_the_stages_of_a_run_say_what_they_took_made_and_reused(trained: Mistique, houses: pd.DataFrame) -> None:
    with trained.catalogue.read() as connection:
        first = find_run(connection, "train", "r1")
        second = find_run(connection, "train", "r2")
    assert first is not None
    assert second is not None
    read, fit, predictions, evaluate = first.stages
    assert [stage.name for stage in first.stages] == ["read", "fit", "predictions", "evaluate"]
    assert [stage.outcome for stage in first.stages] == ["executed"] * 4
    assert (read.outputs[0].rows, read.outputs[0].columns) == houses.shape
    assert (
        read.outputs[0].logical_bytes
        == trained.intermediates("houses").query("intermediate=='read'").iloc[0].logical_bytes
    )
    assert fit.fitted[0].name == "model"
    assert fit.fitted[0].type_name.endswith("LinearRegression")
    assert fit.fitted[0].bytes
    assert fit.hyperparameters == LinearRegression().get_params()
    assert {(item.name, item.kind, item.label) for item in predictions.inputs} == {
        ("model", "fitted", "houses.linear@1.fit.model"),
        ("data", "intermediate", "houses.linear@1.read"),
    }
    assert set(evaluate.metrics) == set(METRICS)
    assert read.exec_seconds is not None
    assert read.params["path"].endswith("houses.csv")
    assert [stage.outcome for stage in second.stages] == ["reused"] * 4
    origin = second.stages[0].origin
    assert origin is not None
    assert (origin.label, origin.run_id) == ("houses.linear@1.read", "r1")


def test_retries_count_once_and_the_last_try_decides(store: Mistique, tmp_path: Path, houses: pd.DataFrame) -> None:
    path = tmp_path / "late.csv"
    with store.run("houses", "linear", key=airflow_key("train", "retry")) as run:
        with pytest.raises(KeyError):
            run.stage("read", ReadCsvStage(str(path)))
        houses.to_csv(path, index=False)
        run.stage("read", ReadCsvStage(str(path)))
    with store.catalogue.read() as connection:
        detail = find_run(connection, "train", "retry")
    assert detail is not None
    assert detail.run.stages == 1
    assert [(s.try_number, s.is_last_try, s.outcome) for s in detail.stages] == [
        (1, False, "failed"),
        (2, True, "executed"),
    ]
    assert detail.stages[0].error is not None
    assert "late.csv" in detail.stages[0].error


def test_a_name_that_two_stages_measure_is_prefixed(store: Mistique, csv: Path) -> None:
    with store.run("houses", "linear", key=airflow_key("train", "two")) as run:
        data = run.stage("read", ReadCsvStage(str(csv))).outputs[""]
        model = run.stage("fit", FitStage(ESTIMATOR, "price"), {"data": data}).outputs["model"]
        predicted = run.stage("predictions", PredictStage(["price"]), {"model": model, "data": data}).outputs[""]
        run.stage("evaluate", EvaluateStage("price", ["r2"]), {"data": predicted})
        run.stage("again", EvaluateStage("price", ["r2", "max_error"]), {"data": predicted})
    with store.catalogue.read() as connection:
        assert set(list_runs(connection).runs[0].metrics) == {"evaluate.r2", "again.r2", "max_error"}


def test_a_run_may_make_versions_of_several_models_or_of_none(store: Mistique, houses: pd.DataFrame) -> None:
    for name in ("a", "b"):
        with store.run("houses", name, key=airflow_key("train", "several")) as run:
            run.log_frame("raw", houses)
    record_run(store.catalogue, RunReport("train", "waiting", "running", project="houses", started_at=time.time()))
    record_run(store.catalogue, RunReport("other", "unknown", "running", started_at=time.time()))
    with store.catalogue.read() as connection:
        runs = {run.run_id: run for run in list_runs(connection).runs}
        detail = find_run(connection, "train", "several")
        assert list_models(connection) == [("houses", "a"), ("houses", "b")]
        assert {run.run_id for run in list_runs(connection, project="houses").runs} == {"several", "waiting"}
        assert {run.run_id for run in list_runs(connection, project="houses", model="b").runs} == {"several"}
        assert {run.run_id for run in list_runs(connection, dag_id="other").runs} == {"unknown"}
        assert {run.run_id for run in list_runs(connection, state="success").runs} == {"several"}
        assert list_runs(connection, model="c").total == 0
    assert runs["several"].label == "houses.a@1, houses.b@1"
    assert (runs["waiting"].versions, runs["waiting"].seconds, runs["waiting"].label) == ((), None, "waiting")
    assert runs["unknown"].project is None
    assert detail is not None
    assert [frame.label for frame in detail.frames] == ["houses.a@1.raw", "houses.b@1.raw"]


def test_only_runs_of_readable_dags_and_of_scripts_are_listed(trained: Mistique, houses: pd.DataFrame) -> None:
    trained.log_frame("houses", "script", "raw", houses)
    with trained.catalogue.read() as connection:
        page = list_runs(connection, readable_dags=set())
        assert ([run.source for run in page.runs], page.total) == (["python"], 1)
        assert list_models(connection, set()) == [("houses", "script")]
        assert list_runs(connection, readable_dags={"train"}).total == 3


def test_the_list_takes_the_same_number_of_queries_however_long_it_is(trained: Mistique, csv: Path) -> None:
    def statements() -> int:
        seen: list[str] = []

        def count(*args: object) -> None:
            seen.append(str(args[2]))

        sa.event.listen(trained.catalogue.engine, "before_cursor_execute", count)
        with trained.catalogue.read() as connection:
            list_runs(connection)
        sa.event.remove(trained.catalogue.engine, "before_cursor_execute", count)
        return sum(text.lstrip().startswith("SELECT") for text in seen)

    before = statements()
    for number in range(5):
        train(trained, csv, f"more{number}")
    assert statements() == before <= 8


def test_an_unknown_run_or_question_is_none(store: Mistique) -> None:
    with store.catalogue.read() as connection:
        assert find_run(connection, "no", "such") is None
        assert find_query(connection, "no", "such") is None
        assert query_by_id(connection, 1) is None
        assert list_runs(connection).total == 0


def test_questions_come_back_as_they_were_recorded(store: Mistique) -> None:
    answer = {"sentence": "It is 3.", "columns": ["x"], "rows": [[3]], "truncated": False, "row_count": 1}
    first = record_query(
        store.catalogue, technique="pointq", request={"k": 1}, dag_id="ask", run_id="q", error="no row"
    )
    second = record_query(
        store.catalogue,
        technique="pointq",
        request={"k": 1},
        dag_id="ask",
        run_id="q",
        plan="x: READ because it is fast",
        strategy="read",
        answer=answer,
        seconds=0.5,
    )
    other = record_query(store.catalogue, technique="topk", request={})
    with store.catalogue.read() as connection:
        found = find_query(connection, "ask", "q")
        assert found is not None
        assert found == query_by_id(connection, second)
        assert (found.answer, found.plan, found.strategy, found.seconds) == (
            answer,
            "x: READ because it is fast",
            "read",
            0.5,
        )
        assert [item.id for item in queries_of_run(connection, "ask", "q")] == [first, second]
        assert [item.id for item in list_queries(connection)] == [other, second, first]
        assert [item.id for item in list_queries(connection, readable_dags=set())] == [other]
