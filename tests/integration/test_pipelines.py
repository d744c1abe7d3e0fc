"""The three example pipelines in the real Airflow."""

from __future__ import annotations

import time

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core.catalogue.tables import experiment_run, model_version, stage
from tests.integration.airflow_site import MODELS, PIPELINES, Site
from tests.integration.expected import expected

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize("model", MODELS)
def test_every_intermediate_equals_plain_scikit_learn(pipelines: Site, model: str) -> None:
    with pipelines.store() as store:
        names = set(store.intermediates("cancer", model)["intermediate"])
        assert names == set(expected(model).frames)
        for name, frame in expected(model).frames.items():
            stored = store.get_intermediates(f"cancer.{model}@1.{name}", strategy="read").to_pandas()
            pd.testing.assert_frame_equal(stored[list(frame.columns)], frame, check_exact=True, check_names=False)
            assert set(stored.columns) == set(frame.columns)


@pytest.mark.parametrize("model", MODELS)
def test_reading_and_rerunning_are_bit_equal(pipelines: Site, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(pipelines.environment.dags))
    with pipelines.store() as store:
        for name in expected(model).frames:
            key = f"cancer.{model}@1.{name}"
            read = store.get_intermediates(key, strategy="read").to_pandas()
            rerun = store.get_intermediates(key, strategy="rerun")
            pd.testing.assert_frame_equal(read, rerun.to_pandas(), check_exact=True)
            assert rerun.plan.strategy == "rerun"
            assert rerun.plan.verified


def test_metrics_are_recorded_with_the_run(pipelines: Site) -> None:
    from mistique_core.modeldb.runs import list_runs

    with pipelines.store() as store, store.catalogue.read() as connection:
        page = list_runs(connection, project="cancer")
    newest = {run.dag_id: run for run in reversed(page.runs)}
    for model in MODELS:
        run = newest[f"cancer_{model}"]
        assert run.state == "success"
        assert run.metrics == pytest.approx(expected(model).metrics, abs=0)
        assert run.params["features"] == 12


def test_the_listener_recorded_what_the_scheduler_knows(pipelines: Site) -> None:
    for dag_id in PIPELINES:
        run_id = pipelines.runs[dag_id][0]
        recorded = pipelines.recorded(dag_id, run_id).run
        real = pipelines.client.get(f"/dags/{dag_id}/dagRuns/{run_id}")
        assert recorded.state == real["state"] == "success"
        assert recorded.dag_version == str(real["dag_versions"][-1]["version_number"])
        assert recorded.ended_at == pytest.approx(pd.Timestamp(real["end_date"]).timestamp(), abs=0.01)
        assert recorded.started_at == pytest.approx(pd.Timestamp(real["start_date"]).timestamp(), abs=0.01)


def test_xcom_carries_references_only(pipelines: Site) -> None:
    run_id = pipelines.runs["cancer_random_forest"][0]
    reference = pipelines.client.task_result("cancer_random_forest", run_id, "predictions")
    assert reference["mistique_ref"] == "intermediate"
    assert reference["rows"] == len(expected("random_forest").frames["predictions"])


def test_a_second_run_reuses_its_stages_and_adds_no_bytes(pipelines: Site) -> None:
    before = pipelines.partition_bytes()
    assert pipelines.run({dag_id: {} for dag_id in PIPELINES}) == dict.fromkeys(PIPELINES, "success")
    added = pipelines.partition_bytes() - before
    assert added < 0.01 * before
    with pipelines.store() as store:
        frames = store.intermediates("cancer")
    second = frames[frames["version"] == 2]
    assert second["reused"].all()
    assert second["stored_bytes"].sum() == 0


def test_shared_stages_of_the_second_and_third_model_add_no_bytes(pipelines: Site) -> None:
    with pipelines.store() as store:
        frames = store.intermediates("cancer")
    first = frames[frames["version"] == 1].set_index(["model", "intermediate"])["stored_bytes"].unstack("model")
    shared = [name for name in first.index if name != "predictions"]
    assert first.loc[shared, "logistic_regression"].sum() > 0
    assert not first.loc[shared, ["random_forest", "xgboost"]].to_numpy().any()


def test_the_second_model_adds_only_its_own_model_and_predictions_to_the_disk(pipelines: Site) -> None:
    run_id = pipelines.runs["cancer_random_forest"][0]
    with pipelines.store() as store, store.catalogue.read() as connection:
        names = {
            row.name
            for row in connection.execute(
                sa.select(stage.c.name)
                .join(model_version, model_version.c.id == stage.c.model_version_id)
                .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
                .where(experiment_run.c.run_id == run_id, stage.c.reused_from.is_(None))
            )
        }
    assert names == {"fit", "predictions", "evaluate"}
    assert pipelines.first_bytes["cancer_random_forest"] < pipelines.first_bytes["cancer_logistic_regression"]


def test_reuse_can_be_switched_off_for_a_run(pipelines: Site) -> None:
    before = pipelines.partition_bytes()
    dag_id = "cancer_random_forest"
    assert pipelines.run({dag_id: {"mistique_reuse": False}}) == {dag_id: "success"}
    with pipelines.store() as store:
        frames = store.intermediates("cancer", "random_forest")
    newest = frames[frames["version"] == frames["version"].max()]
    assert not newest["reused"].any()
    assert pipelines.partition_bytes() == before


def test_statsd_is_told_what_a_run_logged_and_how_a_question_was_answered(pipelines: Site) -> None:
    counters, dag_id = pipelines.metrics.counters, "cancer_random_forest"
    names = ("stage.executed", "stage.reused", "stage.logical_bytes", "stage.stored_bytes", "query.read")
    before = {name: counters[f"airflow.mistique.{name}"] for name in names}
    assert pipelines.run({dag_id: {"mistique_reuse": False}}) == {dag_id: "success"}
    question = {"technique": "pointq", "keys": ["cancer.random_forest.scaled_train.mean radius"], "row_id": [7, 14]}
    assert pipelines.run({"mistique_query": question}) == {"mistique_query": "success"}
    detail = pipelines.recorded(dag_id, pipelines.runs[dag_id][-1])
    logged = sum(frame.logical_bytes for stage in detail.stages for frame in stage.outputs)
    wanted = {
        "stage.executed": len(detail.stages),
        "stage.reused": 0,
        "stage.logical_bytes": logged,
        "stage.stored_bytes": 0,
        "query.read": 1,
    }
    deadline = time.monotonic() + 10
    while (got := {name: counters[f"airflow.mistique.{name}"] - before[name] for name in names}) != wanted:
        assert time.monotonic() < deadline, got
        time.sleep(0.1)
    assert pipelines.metrics.timers["airflow.mistique.query.read_seconds"][-1] > 0
    assert pipelines.metrics.gauges["airflow.mistique.query.read_estimate_ratio"][-1] > 0
