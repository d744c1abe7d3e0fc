"""Every kind of event of the original is recorded and reads back, parts and all (modeldb-2018, events)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mistique_core.catalogue import Catalogue
from mistique_core.errors import InvalidInputError
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb import ModelDB, RunRecorder
from mistique_core.modeldb.browse.records import RunContents
from mistique_core.modeldb.edit.annotation_records import Fragment
from tests.unit.modeldb.recording import empty_catalogue
from tests.unit.modeldb.workflows import columns, linear_facts


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    yield catalogue
    catalogue.close()


def recorded(catalogue: Catalogue, *events: StageEvent) -> RunContents:
    with RunRecorder(catalogue, "p", "m", experiment="e", description="d", code_version="c0ffee") as run:
        run.record(events)
    return ModelDB(catalogue).browse.run(run.id)


def event(kind: StageKind, name: str, **values: Any) -> StageEvent:
    return StageEvent(kind, name, "library:call", name, **values)


def frame(*names: str, rows: int = 10) -> FrameEntity:
    return FrameEntity(rows, columns(*names))


def test_project_experiment_and_experiment_run(catalogue: Catalogue) -> None:
    """Made once, whoever names them first; each run is one of its own."""
    first, second = recorded(catalogue), recorded(catalogue)
    assert first.run.id != second.run.id
    assert (first.run.project, first.run.experiment, first.run.description, first.code_version) == (
        "p",
        "e",
        "d",
        "c0ffee",
    )
    db = ModelDB(catalogue)
    (project,) = db.browse.projects()
    assert (project.name, project.runs) == ("p", 2)
    (experiment,) = db.browse.runs_and_experiments(project.id)
    assert (experiment.name, experiment.run_ids) == ("e", (first.run.id, second.run.id))


def test_fit_event(catalogue: Catalogue) -> None:
    """Specification, data, model, columns and problem type."""
    data, model = frame("age", "price"), TransformerEntity(linear_facts(), "best")
    contents = recorded(
        catalogue,
        event(
            StageKind.FIT,
            "fit",
            inputs={"data": data},
            fitted={"model": model},
            hyperparameters={"alpha": 0.5},
            tag="spec",
        ),
    )
    (found,) = contents.events
    assert (found.kind, found.frame_inputs, found.fitted) == ("fit", (("data", data.id),), (model.id,))
    (spec,) = contents.specs
    assert (spec.stage_id, spec.hyperparameters, spec.tag) == (found.id, {"alpha": 0.5}, "spec")
    assert model.id is not None
    detail = ModelDB(catalogue).browse.model(model.id)
    assert (detail.model.tag, detail.facts.label_columns, str(detail.facts.problem_type)) == (
        "best",
        ("price",),
        "regression",
    )
    assert [item.id for item in detail.training_frames] == [data.id]


def test_transform_event_and_several_in_one_call(catalogue: Catalogue) -> None:
    """A pipeline's transforms are recorded by one call, each from the frame that the one before made."""
    frames = [frame("a"), frame("b"), frame("c")]
    scaler = TransformerEntity(linear_facts(type_name="StandardScaler"))
    events = [
        event(
            StageKind.TRANSFORM,
            f"step{number}",
            inputs={"data": frames[number], "transformer": scaler},
            frames={"": frames[number + 1]},
            facts={"input_columns": ["a"], "output_columns": ["b"]},
        )
        for number in range(2)
    ]
    contents = recorded(catalogue, *events)
    assert [(item.frame_inputs[0][1], item.frames[0]) for item in contents.events] == [
        (frames[0].id, frames[1].id),
        (frames[1].id, frames[2].id),
    ]
    assert [item.model_inputs for item in contents.events] == [(("transformer", scaler.id),)] * 2
    assert contents.events[0].facts == {"input_columns": ["a"], "output_columns": ["b"]}
    assert frames[2].id is not None
    ancestry = ModelDB(catalogue).lineage.frame_ancestry(frames[2].id)
    assert [(item.frame.id, item.steps) for item in ancestry.ancestors] == [(frames[1].id, 1), (frames[0].id, 2)]


def test_random_split_event(catalogue: Catalogue) -> None:
    """The seed, the weights, and a frame a weight."""
    whole, train, test = frame("a", rows=10), frame("a", rows=7), frame("a", rows=3)
    split = event(
        StageKind.SPLIT,
        "split",
        inputs={"data": whole},
        frames={"train": train, "test": test},
        facts={"seed": 42, "weights": [0.7, 0.3]},
    )
    contents = recorded(catalogue, split)
    assert contents.events[0].facts == {"seed": 42, "weights": [0.7, 0.3]}
    assert {item.output: item.rows for item in contents.frames if item.stage_id is not None} == {"train": 7, "test": 3}


def test_metric_event(catalogue: Catalogue) -> None:
    """Of a model, on a data frame: one model has a metric on each."""
    model = TransformerEntity(linear_facts())
    train, test = frame("a"), frame("a")
    events = [
        event(StageKind.METRIC, "on_train", metrics={"rmse": 0.125}, metrics_of=model, metrics_on=train),
        event(StageKind.METRIC, "on_test", metrics={"rmse": 0.1234567890123}, metrics_of=model, metrics_on=test),
    ]
    recorded(catalogue, *events)
    assert model.id is not None
    assert ModelDB(catalogue).browse.model(model.id).metrics == {"rmse": {train.id: 0.125, test.id: 0.1234567890123}}


def test_pipeline_event(catalogue: Catalogue) -> None:
    """The whole, with its transforms and fits in their order."""
    data, scaled = frame("a"), frame("a")
    scaler, model = TransformerEntity(linear_facts(type_name="Scaler")), TransformerEntity(linear_facts())
    whole = event(StageKind.PIPELINE, "pipeline", inputs={"data": data})
    steps = [
        event(
            StageKind.TRANSFORM,
            "scale",
            inputs={"data": data},
            frames={"": scaled},
            fitted={"transformer": scaler},
            parent=whole,
            facts={"position": 0},
        ),
        event(
            StageKind.FIT, "fit", inputs={"data": scaled}, fitted={"model": model}, parent=whole, facts={"position": 1}
        ),
    ]
    contents = recorded(catalogue, whole, *steps)
    assert [(item.kind, item.parent_id == whole.id) for item in contents.events] == [
        ("pipeline", False),
        ("transform", True),
        ("fit", True),
    ]
    assert model.id is not None
    steps_found = ModelDB(catalogue).lineage.extract_pipeline(model.id)
    assert [step.event.name for step in steps_found] == ["scale", "fit"]


def test_cross_validation_event(catalogue: Catalogue) -> None:
    """Folds, seed and evaluator; a metric a fold, which is not the run's own; the specification."""
    data = frame("a")
    whole = event(
        StageKind.CROSS_VALIDATION,
        "cv",
        inputs={"data": data},
        hyperparameters={"alpha": 1.0},
        metrics={"mean_rmse": 0.5},
        facts={"folds": 2, "seed": 7, "evaluator": "rmse"},
    )
    folds = [
        event(StageKind.METRIC, f"fold{number}", metrics={"rmse": value}, metrics_on=data, parent=whole)
        for number, value in enumerate((0.4, 0.6))
    ]
    contents = recorded(catalogue, whole, *folds)
    assert contents.run.metrics == {"mean_rmse": 0.5}
    assert contents.events[0].facts == {"folds": 2, "seed": 7, "evaluator": "rmse"}
    assert [item.parent_id for item in contents.events] == [None, whole.id, whole.id]
    assert [spec.hyperparameters for spec in contents.specs] == [{"alpha": 1.0}]


def test_grid_search_event(catalogue: Catalogue) -> None:
    """A cross-validation a cell with its own values, and the best fit."""
    best = TransformerEntity(linear_facts())
    grid = event(StageKind.GRID_SEARCH, "grid", metrics={"best_rmse": 0.25})
    events = [grid]
    for alpha, value in ((0.1, 0.5), (1.0, 0.25)):
        cell = event(StageKind.CROSS_VALIDATION, f"cell {alpha}", parent=grid, hyperparameters={"alpha": alpha})
        events += [cell, event(StageKind.METRIC, f"fold of {alpha}", metrics={"rmse": value}, parent=cell)]
    events.append(event(StageKind.FIT, "refit", parent=grid, fitted={"model": best}, hyperparameters={"alpha": 1.0}))
    contents = recorded(catalogue, *events)
    names = {item.id: item.name for item in contents.events}
    parents = {item.name: names.get(item.parent_id or -1) for item in contents.events}
    assert parents == {
        "grid": None,
        "cell 0.1": "grid",
        "fold of 0.1": "cell 0.1",
        "cell 1.0": "grid",
        "fold of 1.0": "cell 1.0",
        "refit": "grid",
    }
    assert contents.run.metrics == {"best_rmse": 0.25}
    assert contents.run.hyperparameters == {}
    assert {spec.label: spec.hyperparameters for spec in contents.specs}["cell 0.1"] == {"alpha": 0.1}


def test_annotation_event(catalogue: Catalogue) -> None:
    """Messages and references, in their order."""
    model = TransformerEntity(linear_facts())
    fit = event(StageKind.FIT, "fit", fitted={"model": model})
    contents = recorded(catalogue, fit)
    assert model.id is not None
    db = ModelDB(catalogue)
    db.annotations.add(contents.run.id, "look at", Fragment(model_id=model.id), "again", author="ann")
    (found,) = db.browse.run(contents.run.id).annotations
    assert (found.author, found.text) == ("ann", f"look at [model {model.id}] again")


def test_a_part_that_comes_before_its_whole_is_refused(catalogue: Catalogue) -> None:
    """And nothing of the call is recorded."""
    whole = event(StageKind.PIPELINE, "pipeline")
    with pytest.raises(InvalidInputError, match="record that before it"):
        recorded(catalogue, event(StageKind.FIT, "fit", parent=whole), whole)
    assert ModelDB(catalogue).browse.run(1).events == ()
