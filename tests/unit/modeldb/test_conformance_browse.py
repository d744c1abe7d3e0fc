"""The original's calls that show models, runs, experiments and projects, against what was recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.tables import experiment, experiment_run
from mistique_core.errors import NotFoundError
from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.browse import MetricSummary
from mistique_core.modeldb.edit import Fragment
from mistique_core.modeldb.lineage.load import project_of
from tests.unit.modeldb.recording import empty_catalogue, record
from tests.unit.modeldb.workflows import forest_facts, linear_facts, record_workflow, workflow


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    found = empty_catalogue(catalogue_url)
    yield found
    found.close()


def test_get_model(catalogue: Catalogue) -> None:
    made = record_workflow(catalogue)
    db = ModelDB(catalogue)
    note = db.annotations.add(made.run, "look at", Fragment(model_id=made.model.id), author="ann")
    found = db.browse.model(made.model.id)
    assert (found.model.type_name, found.model.tag, found.model.filepath) == ("LinearRegression", "best", "/models/1")
    assert found.model.metadata == {"owner": "bob"}
    assert found.facts.linear == linear_facts().linear
    assert found.facts.features == linear_facts().features
    assert found.facts.history == {"objective": (10.0, 5.0, 4.5, 4.4)}
    assert found.facts.hyperparameters == {"alpha": 0.5, "fit_intercept": True}
    assert found.spec is not None
    assert (found.spec.stage_id, found.spec.tag) == (made.events["fit"].id, "ridge")
    assert [frame.id for frame in found.training_frames] == [made.train.id]
    assert found.metrics == {
        "auc": {made.test.id: 0.9, made.train.id: pytest.approx(0.95)},
        "rmse": {made.test.id: pytest.approx(0.1)},
    }
    assert found.annotations == (note,)
    assert found.run.id == made.run
    assert db.browse.model_path(made.model.id) == "/models/1"
    assert db.browse.frame(made.homes.id).metadata == {"license": "MIT"}


def test_get_experiment_run_details(catalogue: Catalogue) -> None:
    made = record_workflow(catalogue, code_version="abc", error=None, author="ann", metadata={"a": 1})
    db = ModelDB(catalogue)
    db.annotations.add(made.run, "first")
    found = db.browse.run(made.run)
    assert [event.name for event in found.events] == list(made.events)
    assert {frame.id for frame in found.frames} == {frame.id for frame in made.frames.values()}
    assert [model.id for model in found.models] == [made.scaler.id, made.model.id]
    assert [spec.label for spec in found.specs] == ["LogScaler", "LinearRegression"]
    assert found.run.metrics == {
        "evaluate.auc": 0.9,
        "evaluate_train.auc": pytest.approx(0.95),
        "rmse": pytest.approx(0.1),
    }
    assert found.run.hyperparameters == {"alpha": 0.5, "base": 10, "fit_intercept": True}
    assert (found.code_version, found.run.author, found.metadata) == ("abc", "ann", {"a": 1})
    assert [note.text for note in found.annotations] == ["first"]
    assert [model.id for model in db.browse.models(made.run)] == [made.scaler.id, made.model.id]


def ids(catalogue: Catalogue, run: int) -> tuple[int, int]:
    """Return (project, experiment) of a run."""
    with catalogue.read() as connection:
        found = connection.scalar(sa.select(experiment_run.c.experiment_id).where(experiment_run.c.id == run))
        return project_of(connection, run), found


def test_get_runs_in_experiment_and_in_project(catalogue: Catalogue) -> None:
    first = record(catalogue, "p", "m", experiment="one")
    second = record(catalogue, "p", "n", experiment="two", source="airflow", dag_id="secret")
    third = record(catalogue, "p", "m", experiment="one")
    record(catalogue, "q", "m", experiment="one")
    browse = ModelDB(catalogue).browse
    project, one = ids(catalogue, first)
    _, two = ids(catalogue, second)
    assert [run.id for run in browse.runs_in_experiment(one)] == [first, third]
    found = browse.runs_and_experiments(project)
    assert [(item.id, item.name, item.run_ids) for item in found] == [
        (one, "one", (first, third)),
        (two, "two", (second,)),
    ]
    assert browse.experiment(one) == found[0]
    hidden = browse.runs_and_experiments(project, readable_dags={"other"})
    assert [item.run_ids for item in hidden] == [(first, third), ()]
    assert browse.runs_in_experiment(two, readable_dags=set()) == ()


def test_get_project_overviews(catalogue: Catalogue) -> None:
    first = record_workflow(catalogue, "homes", made=workflow(auc=0.5), started_at=5.0, ended_at=50.0)
    record_workflow(catalogue, "homes", made=workflow(forest_facts(), auc=0.9), started_at=60.0, ended_at=None)
    record(catalogue, "empty", "m", started_at=7.0, ended_at=8.0)
    secret = record_workflow(catalogue, "homes", made=workflow(auc=0.0), source="airflow", dag_id="secret")
    db = ModelDB(catalogue)
    project, _ = ids(catalogue, first.run)
    db.projects.update(project, "author", "ann")
    db.projects.update(project, "description", "prices")
    db.tags.add("project", project, "b", "a")
    empty, homes = db.browse.projects(readable_dags=set())
    assert (empty.name, empty.models, empty.runs, empty.updated_at, empty.metrics) == ("empty", 0, 1, 8.0, {})
    assert (homes.name, homes.author, homes.description, homes.tags) == ("homes", "ann", "prices", ("a", "b"))
    assert (homes.models, homes.runs, homes.updated_at) == (4, 2, 60.0)
    assert homes.model_types == {"LogScaler": 2, "LinearRegression": 1, "RandomForestRegressor": 1}
    values = [0.5, 0.55, 0.9, 0.95]
    assert homes.metrics["auc"] == MetricSummary(4, 0.5, pytest.approx(sum(values) / 4), pytest.approx(0.95))
    assert db.browse.projects()[1].runs == 3
    assert db.browse.projects()[1].metrics["auc"].minimum == 0.0
    assert secret.run


def test_a_project_with_hidden_runs_only_is_left_out(catalogue: Catalogue) -> None:
    record(catalogue, "open", "m", source="airflow", dag_id="mine")
    record(catalogue, "closed", "m", source="airflow", dag_id="theirs")
    db = ModelDB(catalogue)
    assert [item.name for item in db.browse.projects(readable_dags={"mine"})] == ["open"]
    assert [item.name for item in db.browse.projects()] == ["closed", "open"]


def test_a_run_without_an_experiment_counts_where_its_models_do(catalogue: Catalogue) -> None:
    run = record(catalogue, "p", "m", [StageEvent(StageKind.METRIC, "e", "e", "e", metrics={"a": 1.0})])
    with catalogue.write() as connection:
        connection.execute(sa.update(experiment_run).values(experiment_id=None))
        connection.execute(sa.delete(experiment))
    db = ModelDB(catalogue)
    assert (db.browse.projects()[0].runs, list(db.browse.projects()[0].metrics)) == (1, ["a"])
    assert [found.id for found in db.search("project = 'p'").runs] == [run]
    assert db.search().runs[0].project == "p"


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        ("model", "model"),
        ("model_path", "model"),
        ("frame", "data frame"),
        ("run", "run"),
        ("models", "run"),
        ("experiment", "experiment"),
        ("runs_in_experiment", "experiment"),
        ("runs_and_experiments", "project"),
    ],
)
def test_unknown_ids(catalogue: Catalogue, ask: str, what: str) -> None:
    with pytest.raises(NotFoundError, match=f"{what} 4711 does not exist"):
        getattr(ModelDB(catalogue).browse, ask)(4711)
