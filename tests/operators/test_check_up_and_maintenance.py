"""The check-up of models and the maintenance of a store, as Airflow runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.checkup import check_up
from mistique_core.modeldb.query_records import figure_of_query, queries_of_run
from tests.airflow_home import ROOT
from tests.unit.checkup.conftest import homes, train

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]


@pytest.fixture
def trained(store: Mistique, tmp_path: Path) -> Mistique:
    """Two classifiers of the same homes."""
    csv = tmp_path / "homes.csv"
    homes().to_csv(csv, index=False)
    train(store, str(csv), "logistic", "sklearn.linear_model.LogisticRegression", "sold")
    train(store, str(csv), "tree", "sklearn.tree.DecisionTreeClassifier", "sold", max_depth=3, random_state=0)
    return store


@pytest.fixture
def run_file(run_dag: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs the DAG of a file of ``dags/``."""

    def run(name: str, **conf: Any) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(dag_folder=ROOT / "dags" / f"{name}.py")
        assert not bag.import_errors
        return run_dag(bag.dags[name], conf)

    return run


def records(store: Mistique, dag_run: Any) -> list[Any]:
    with store.catalogue.read() as connection:
        return queries_of_run(connection, dag_run.dag_id, dag_run.run_id)


def report_of(dag_run: Any) -> Any:
    return dag_run.get_task_instance("report").xcom_pull(task_ids="report")


def test_a_check_up_of_two_models_links_every_finding_in_order(trained: Mistique, run_file: Callable[..., Any]) -> None:
    dag_run = run_file("mistique_diagnose_model", model="homes.logistic", other="homes.tree", examples=2, most_stages=1)
    assert dag_run.state == "success"
    plan = check_up(trained, "homes.logistic", "homes.tree", examples=2, most_stages=1)
    report = report_of(dag_run)
    titles = [step["title"] for step in report["steps"]]
    assert titles == ["What was looked at", *(question.title for question in plan.questions)]
    assert report["steps"][0]["notes"] == list(plan.told)
    assert f"{len(plan.questions)} of {len(plan.questions)} questions are answered" in report["sentence"]
    recorded = {record.id: record for record in records(trained, dag_run)}
    assert len(recorded) == len(plan.questions) + 1
    with trained.catalogue.read() as connection:
        for question, step in zip(plan.questions, report["steps"][1:], strict=True):
            record = recorded[step["query_id"]]
            assert record.answer["sentence"] == step["sentence"] == question.ask(trained).sentence
            if question.technique != "pointq":  # whose figure may be a table, which the page shows anyway
                assert figure_of_query(connection, record.id) is not None
            assert f"**{step['title']}**: {step['sentence']}" in report["markdown"]
    assert report["page"].endswith("/plugin/mistique_run")


def test_a_question_that_fails_is_told_and_the_others_are_answered(
    trained: Mistique, run_file: Callable[..., Any]
) -> None:
    group = "homes.logistic.read.nothing"
    dag_run = run_file("mistique_diagnose_model", model="homes.logistic", group=group, most_stages=0)
    assert dag_run.state == "success"
    steps = {step["title"]: step for step in report_of(dag_run)["steps"]}
    assert "'nothing'" in steps["Errors by group"]["error"]
    assert [title for title, step in steps.items() if step["error"]] == ["Errors by group"]


def test_a_check_up_that_cannot_be_planned_fails_and_says_why(store: Mistique, run_file: Callable[..., Any]) -> None:
    dag_run = run_file("mistique_diagnose_model", model="homes.nobody")
    assert dag_run.state == "failed"
    (record,) = records(store, dag_run)
    assert "project 'homes' does not exist" in record.error


def test_maintenance_takes_the_steps_that_are_switched_on(trained: Mistique, run_file: Callable[..., Any]) -> None:
    trained.delete("homes", "tree")
    dag_run = run_file("mistique_maintenance", read_data=True, materialize=True, grace_hours=0, policy="adaptive")
    assert dag_run.state == "success"
    report = report_of(dag_run)
    assert [step["title"] for step in report["steps"]] == [
        "Check",
        "Let go of what can be re-run",
        "Merge small files, drop dead bytes",
        "Collect garbage",
    ]
    assert "every byte read" in report["steps"][0]["sentence"]
    assert "4 steps, 0 to look at" in report["sentence"]
    assert not trained.intermediates("homes", "logistic")["kept"].all()
    assert trained.check(read_data=True).is_clean
    again = trained.gc(grace_seconds=0, dry_run=True)
    assert again.chunks == 0


def test_a_dry_run_changes_nothing_and_steps_can_be_switched_off(
    trained: Mistique, run_file: Callable[..., Any]
) -> None:
    before = trained.intermediates()
    dag_run = run_file("mistique_maintenance", dry_run=True, materialize=True, check=False, gc=False, compact=False)
    assert dag_run.state == "success"
    assert dag_run.get_task_instance("gc").state == "skipped"
    report = report_of(dag_run)
    assert [step["title"] for step in report["steps"]] == ["Let go of what can be re-run"]
    assert "would be let go" in report["steps"][0]["sentence"]
    assert report["sentence"].startswith("Dry run, nothing was changed")
    assert trained.intermediates().equals(before)


def test_damage_fails_the_run_and_its_report_names_it(trained: Mistique, run_file: Callable[..., Any]) -> None:
    victim = next(Path(trained.config.location).glob("partitions/*/*.h5"))
    victim.unlink()
    dag_run = run_file("mistique_maintenance", compact=False, gc=False)
    assert dag_run.state == "failed"
    assert dag_run.get_task_instance("report").state == "failed"
    *_, check, report = records(trained, dag_run)
    assert victim.stem in str(check.answer["rows"])
    assert "1 steps, 1 to look at" in report.answer["sentence"]
