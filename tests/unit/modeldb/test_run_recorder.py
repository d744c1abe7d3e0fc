"""Recorded events are rows that plain SQL finds: what was taken, made and measured, all of it or nothing."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.fit_facts import read_facts
from mistique_core.catalogue.migrate import ensure_schema
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import (
    Feature,
    FitFacts,
    LinearFacts,
    LinearTerm,
    ProblemType,
    TreeFacts,
    TreeNodes,
)
from mistique_core.modeldb import RunRecorder
from mistique_core.modeldb.runs import find_run, list_runs


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    catalogue = Catalogue(catalogue_url)
    ensure_schema(catalogue)
    yield catalogue
    catalogue.close()


def table(catalogue: Catalogue, query: str) -> pd.DataFrame:
    with catalogue.read() as connection:
        return pd.read_sql(sa.text(query), connection)


TREE = TreeNodes(
    np.array([1, -1, -1], np.int32),
    np.array([2, -1, -1], np.int32),
    np.array([0, -1, -1], np.int32),
    np.array([0.5, np.nan, np.nan]),
    np.array([0.0, 1.0, 0.0]),
    np.array([0.4, 0.0, 0.1]),
    np.array([0.3, np.nan, np.nan]),
)
FACTS = FitFacts(
    "Model",
    ProblemType.BINARY_CLASSIFICATION,
    {"C": 1.0},
    (Feature("age", 0.75), Feature("income")),
    ("default",),
    ("prediction",),
    LinearFacts((LinearTerm(0, "intercept", "", -1.5), LinearTerm(1, "age", "", 2.0, 0.5, 4.0, 0.01)), r2=0.25),
    TreeFacts("Random Forest", (0.5, 0.5), (3, 3), (TREE, TREE)),
    {"loss": (3.0, 2.0, 1.5)},
)


def workflow() -> list[StageEvent]:
    """A read, a fit on what was read, a metric, and a cross-validation with two folds."""
    data = FrameEntity(100, (("age", "int64"), ("default", "bool")), "train", "credit.csv", {"origin": "bank"})
    model = TransformerEntity(FACTS, "best", metadata={"owner": "ann"})
    read = StageEvent(StageKind.READ, "read", "m:Read", "ReadCsv", frames={"": data}, started_at=1.0, ended_at=2.0)
    fit = StageEvent(
        StageKind.FIT,
        "fit",
        "m:Fit",
        "Model",
        {"estimator": "x.Model"},
        {"train": data},
        fitted={"model": model},
        hyperparameters={"C": 1.0, "depth": 7, "solver": "lbfgs", "warm": True, "weights": {"a": 1}, "none": None},
        started_at=2.0,
        ended_at=4.0,
        tag="final",
    )
    scores = {"auc": 0.75, "not_a_number": float("nan")}
    metric = StageEvent(
        StageKind.METRIC, "evaluate", "m:Evaluate", "Evaluate", metrics=scores, metrics_of=model, metrics_on=data
    )
    folds = StageEvent(
        StageKind.CROSS_VALIDATION,
        "cv",
        "sklearn.model_selection:cross_validate",
        "cross_validate",
        inputs={"train": data},
        facts={"folds": 2, "seed": 3, "evaluator": "auc"},
    )
    parts = [
        StageEvent(StageKind.METRIC, "fold", "m:Fold", "Fold", metrics={"auc": value}, parent=folds)
        for value in (0.7, 0.8)
    ]
    return [read, fit, metric, folds, *parts]


def test_rows_of_a_workflow(catalogue: Catalogue) -> None:
    """Entities, inputs, values and parts, each once and joined."""
    events = workflow()
    with RunRecorder(catalogue, "bank", "default", name="train.py", description="first") as run:
        run.record(events)
    stages = table(catalogue, "SELECT id, name, kind, parent_id, state, tag FROM stage ORDER BY id")
    assert stages["name"].tolist() == ["read", "fit", "evaluate", "cv", "fold", "fold_2"]
    assert stages["kind"].tolist() == ["read", "fit", "metric", "cross validation", "metric", "metric"]
    assert stages["id"].tolist() == [event.id for event in events]
    assert stages["parent_id"].tolist()[4:] == [events[3].id] * 2
    assert stages["tag"].tolist()[1] == "final"
    frames = table(catalogue, "SELECT id, rows, tag, filepath, stage_id FROM data_frame")
    assert frames[["rows", "tag", "filepath", "stage_id"]].values.tolist() == [
        [100, "train", "credit.csv", events[0].id]
    ]
    taken = table(catalogue, "SELECT stage_id, name, data_frame_id FROM stage_input ORDER BY stage_id")
    assert taken.values.tolist() == [[events[index].id, "train", frames["id"][0]] for index in (1, 3)]
    measured = table(
        catalogue,
        "SELECT n.name, m.value, m.data_frame_id, m.transformer_id, m.is_own, m.run_id FROM metric m "
        "JOIN value_name n ON n.id = m.name_id ORDER BY m.stage_id",
    )
    assert measured["value"].tolist() == [0.75, 0.7, 0.8]
    assert measured["is_own"].astype(bool).tolist() == [True, False, False]
    assert measured["data_frame_id"][0] == frames["id"][0]
    assert measured["transformer_id"][0] == events[1].fitted["model"].id
    settings = table(
        catalogue,
        "SELECT n.name, h.kind, h.number, h.text FROM hyperparameter h JOIN value_name n ON n.id = h.name_id",
    ).set_index("name")
    assert settings["kind"].to_dict() == {
        "C": "double",
        "depth": "int",
        "solver": "string",
        "warm": "bool",
        "weights": "json",
        "none": "json",
    }
    assert settings.loc["depth", "number"] == 7
    assert settings.loc["solver", "text"] == "lbfgs"
    curve = table(catalogue, "SELECT step, value FROM history ORDER BY step")
    assert curve.values.tolist() == [[0, 3.0], [1, 2.0], [2, 1.5]]


def test_a_run_reads_as_any_other(catalogue: Catalogue) -> None:
    """The readers of DAG runs show it; parts do not count as the run's own."""
    with RunRecorder(catalogue, "bank", "default", name="train.py") as run:
        run.record(workflow())
    with catalogue.read() as connection:
        page = list_runs(connection)
        detail = find_run(connection, run.key.dag_id, run.key.run_id)
    assert detail is not None
    (summary,) = page.runs
    assert (summary.label, summary.state, summary.stages) == ("bank.default@1", "success", 4)
    assert summary.metrics == {"auc": 0.75}
    assert summary.hyperparameters["depth"] == 7
    fit = detail.stages[-1] if detail.stages[-1].name == "fit" else next(s for s in detail.stages if s.name == "fit")
    assert [(item.name, item.kind, item.label) for item in fit.inputs] == [("train", "data frame", "read")]
    assert [(item.name, item.type_name, item.bytes) for item in fit.fitted] == [("model", "Model", None)]
    read = next(item for item in detail.stages if item.name == "read")
    assert [(frame.tag, frame.rows, frame.columns) for frame in read.frames] == [("train", 100, 2)]


def test_facts_come_back(catalogue: Catalogue) -> None:
    """Features, terms and trees as they were given; equal models share them."""
    with RunRecorder(catalogue, "bank", "default") as run:
        run.record(workflow())
        run.record(workflow())
    ids = table(catalogue, "SELECT facts_id FROM transformer")["facts_id"].tolist()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    with catalogue.read() as connection:
        found = read_facts(connection, ids[0], "Model")
    assert (found.features, found.linear, found.label_columns) == (FACTS.features, FACTS.linear, FACTS.label_columns)
    assert found.problem_type is ProblemType.BINARY_CLASSIFICATION
    assert found.trees is not None
    assert (found.trees.model_type, found.trees.weights, found.trees.sizes) == ("Random Forest", (0.5, 0.5), (3, 3))
    for tree in found.trees.components:
        for name in TREE.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(tree, name), getattr(TREE, name))


def test_all_or_nothing(catalogue: Catalogue) -> None:
    """A part without its whole is refused, nothing is recorded, and the same events can be recorded later."""
    events = workflow()
    run = RunRecorder(catalogue, "bank", "default")
    with pytest.raises(InvalidInputError, match="'fold' is a part of 'cv'"):
        run.record([*events[:3], events[4]])
    assert table(catalogue, "SELECT * FROM stage").empty
    assert table(catalogue, "SELECT * FROM data_frame").empty
    assert all(event.id is None for event in events)
    assert events[0].frames[""].id is None
    run.record(events)
    assert len(table(catalogue, "SELECT * FROM stage")) == 6


def test_a_failed_run(catalogue: Catalogue) -> None:
    """An error ends the run as failed, with its text."""
    with pytest.raises(ZeroDivisionError), RunRecorder(catalogue, "bank", "default"):
        raise ZeroDivisionError("no")
    runs = table(catalogue, "SELECT state, error FROM experiment_run")
    assert runs.values.tolist() == [["failed", "ZeroDivisionError: no"]]


@pytest.mark.parametrize("names", [("a.b", "m"), ("p", "")])
def test_refused_names(catalogue: Catalogue, names: tuple[str, str]) -> None:
    """Nothing is recorded under a name that no key can hold."""
    with pytest.raises(MistiqueError):
        RunRecorder(catalogue, *names)
    assert table(catalogue, "SELECT * FROM experiment_run").empty


def test_a_run_that_is_begun_later(catalogue: Catalogue) -> None:
    """Nothing is recorded until it is needed; then the run, the version and the time of its begin are there."""
    run = RunRecorder(catalogue, "bank", "default", started_at=5.0, is_begun_later=True)
    assert table(catalogue, "SELECT * FROM experiment_run").empty
    run.begin()
    run.begin()
    rows = table(catalogue, "SELECT id, state, started_at FROM experiment_run")
    assert rows.values.tolist() == [[run.id, "running", 5.0]]
    other = RunRecorder(catalogue, "bank", "default", is_begun_later=True)
    other.record(workflow())
    assert (run.label, other.label) == ("bank.default@1", "bank.default@2")
    assert set(table(catalogue, "SELECT run_id FROM data_frame").run_id) == {other.id}


def test_the_last_events_come_with_the_end(catalogue: Catalogue) -> None:
    """Both are recorded, or neither; what could not be recorded keeps its names for the next try."""
    events = workflow()
    run = RunRecorder(catalogue, "bank", "default", is_begun_later=True)
    with pytest.raises(InvalidInputError, match="'fold' is a part of 'cv'"):
        run.finish(None, [*events[:3], events[4]])
    assert table(catalogue, "SELECT * FROM experiment_run").empty
    run.finish("ValueError: no", events)
    assert table(catalogue, "SELECT state, error FROM experiment_run").values.tolist() == [["failed", "ValueError: no"]]
    names = table(catalogue, "SELECT name FROM stage ORDER BY id").name.tolist()
    assert names == ["read", "fit", "evaluate", "cv", "fold", "fold_2"]
    run.finish(ended_at=9.0)
    rows = table(catalogue, "SELECT state, error, ended_at FROM experiment_run")
    assert rows.values.tolist() == [["success", None, 9.0]]
