"""The original's edits, and those that it lacked: tags, life stages, deletion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.tables import experiment_run, metadata
from mistique_core.errors import InvalidInputError, NotFoundError, RunInProgressError
from mistique_core.model.event import FrameEntity, StageKind
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.edit import Fragment, LifeStage
from mistique_core.modeldb.json_path import typed_value
from mistique_core.modeldb.lineage.load import project_of
from tests.unit.modeldb.recording import empty_catalogue, record
from tests.unit.modeldb.workflows import Workflow, event, record_workflow


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    found = empty_catalogue(catalogue_url)
    yield found
    found.close()


@pytest.fixture
def made(catalogue: Catalogue) -> Workflow:
    return record_workflow(catalogue)


# ------------------------------------------------------------------ annotations


def test_store_annotation_event(catalogue: Catalogue, made: Workflow) -> None:
    notes = ModelDB(catalogue).annotations
    written = notes.add(
        made.run,
        "compare",
        Fragment(model_id=made.model.id),
        "of",
        Fragment(spec_id=made.events["fit"].id),
        Fragment(frame_id=made.homes.id),
        author="ann",
    )
    assert written.text == f"compare [model {made.model.id}] of [specification {made.events['fit'].id}] " + (
        f"[data frame {made.homes.id}]"
    )
    later = notes.add(made.run, "later")
    assert notes.of_run(made.run) == (written, later)
    assert (written.author, later.author) == ("ann", None)
    assert notes.of_model(made.model.id) == notes.of_frame(made.homes.id) == (written,)
    assert notes.of_spec(made.events["fit"].id) == (written,)
    assert notes.of_model(made.scaler.id) == notes.of_frame(made.people.id) == ()
    notes.delete(written.id)
    assert notes.of_run(made.run) == (later,)
    with pytest.raises(NotFoundError, match="annotation"):
        notes.delete(written.id)


def test_annotations_that_are_refused_leave_nothing(catalogue: Catalogue, made: Workflow) -> None:
    other = record_workflow(catalogue)
    notes = ModelDB(catalogue).annotations
    for fragments in ((), ("  ",), (Fragment(),), (Fragment("a", model_id=made.model.id),)):
        with pytest.raises(InvalidInputError):
            notes.add(made.run, *fragments)
    with pytest.raises(InvalidInputError, match=f"of run {other.run}, not of run {made.run}"):
        notes.add(made.run, "text", Fragment(model_id=other.model.id))
    for fragment in (Fragment(model_id=4711), Fragment(frame_id=4711), Fragment(spec_id=4711)):
        with pytest.raises(NotFoundError, match="4711"):
            notes.add(made.run, "text", fragment)
    for ask in (notes.of_run, notes.of_model, notes.of_frame, notes.of_spec, lambda run: notes.add(run, "text")):
        with pytest.raises(NotFoundError, match="4711"):
            ask(4711)
    assert notes.of_run(made.run) == ()


# ------------------------------------------------------------------ projects, descriptions, tags


def test_update_project(catalogue: Catalogue, made: Workflow) -> None:
    db = ModelDB(catalogue)
    with catalogue.read() as connection:
        project = project_of(connection, made.run)
    db.projects.update(project, "author", "ann")
    db.projects.update(project, "description", "prices")
    assert [(item.author, item.description) for item in db.browse.projects()] == [("ann", "prices")]
    db.projects.update(project, "author", "")
    assert db.browse.projects()[0].author is None
    with pytest.raises(InvalidInputError, match="keys of all its intermediates"):
        db.projects.update(project, "name", "other")
    with pytest.raises(InvalidInputError, match="did you mean 'author'"):
        db.projects.update(project, "autor", "x")
    with pytest.raises(InvalidInputError, match="at most 200"):
        db.projects.update(project, "author", "x" * 201)
    with pytest.raises(NotFoundError, match="project 4711"):
        db.projects.update(4711, "author", "ann")


def test_descriptions(catalogue: Catalogue, made: Workflow) -> None:
    db = ModelDB(catalogue)
    db.projects.describe("run", made.run, "the best so far")
    assert [run.description for run in db.search("description like '%BEST%'").runs] == ["the best so far"]
    with pytest.raises(InvalidInputError, match="'version' is not one of project, experiment, run"):
        db.projects.describe("version", 1, "x")
    with pytest.raises(NotFoundError, match="run 4711"):
        db.projects.describe("run", 4711, "x")


def test_tags(catalogue: Catalogue, made: Workflow) -> None:
    db = ModelDB(catalogue)
    db.tags.add("run", made.run, "draft", "odd name", "draft")
    db.tags.add("run", made.run, "draft")
    assert db.tags.of("run", made.run) == ("draft", "odd name")
    assert db.search('tags.draft and tags."odd name"').total == 1
    assert db.tags.known() == {"draft": 1, "odd name": 1}
    db.tags.remove("run", made.run, "draft", "never there")
    assert db.tags.of("run", made.run) == ("odd name",)
    assert db.search("tags.draft").total == 0
    for tag in ("", " ", "x" * 201, "a\0"):
        with pytest.raises(InvalidInputError, match="is no tag"):
            db.tags.add("run", made.run, tag)
    with pytest.raises(InvalidInputError, match="'stage' is not one of"):
        db.tags.add("stage", 1, "a")
    with pytest.raises(NotFoundError, match="version 4711"):
        db.tags.add("version", 4711, "a")


# ------------------------------------------------------------------ life stages


def test_life_stages_and_their_history(catalogue: Catalogue) -> None:
    for _ in range(3):
        record(catalogue, "p", "m")
    life = ModelDB(catalogue).life_stages
    assert life.of("p", "m", 1) is None
    life.move("p", "m", 1, "candidate", author="ann")
    life.move("p", "m", 1, LifeStage.PRODUCTION)
    life.move("p", "m", 1, "production")
    with pytest.raises(InvalidInputError, match=r"p\.m@1 is in production; archive it with archive_others=True"):
        life.move("p", "m", 2, "production")
    assert life.of("p", "m", 2) is None
    life.move("p", "m", 2, "production", archive_others=True, author="bob")
    assert (life.of("p", "m", 1), life.of("p", "m", 2)) == (LifeStage.ARCHIVED, LifeStage.PRODUCTION)
    life.move("p", "m", 3, "production", allow_several=True)
    assert [str(label) for label in life.versions("production")] == ["p.m@2", "p.m@3"]
    changes = life.history("p", "m", 1)
    assert [(change.life_stage, change.author) for change in changes] == [
        ("candidate", "ann"),
        ("production", None),
        ("archived", "bob"),
    ]
    assert [change.changed_at for change in changes] == sorted({change.changed_at for change in changes})
    assert [run.label for run in ModelDB(catalogue).search("life = 'production' order by version").runs] == [
        "p.m@2",
        "p.m@3",
    ]


def test_life_stages_errors(catalogue: Catalogue) -> None:
    record(catalogue, "p", "m")
    life = ModelDB(catalogue).life_stages
    with pytest.raises(InvalidInputError, match="did you mean 'production'"):
        life.move("p", "m", 1, "prodution")
    for ask in (life.of, life.history, lambda *version: life.move(*version, "archived")):
        with pytest.raises(NotFoundError, match=r"p\.m@9 does not exist"):
            ask("p", "m", 9)


# ------------------------------------------------------------------ metadata


def test_metadata_by_path(catalogue: Catalogue, made: Workflow) -> None:
    """createOrUpdateScalarField, createVectorField, updateVectorField and appendToVectorField."""
    data = ModelDB(catalogue).metadata
    model = made.model.id
    data.create_or_update_scalar("model", model, "team.name", "red", "string")
    data.create_or_update_scalar("model", model, "team.size", "3", "int")
    data.create_or_update_scalar("model", model, "team.size", 4, "int")
    data.create_vector("model", model, "scores")
    data.append_to_vector("model", model, "scores", 0.5, "double")
    data.append_to_vector("model", model, "scores", "1e3", "double")
    data.update_vector("model", model, "scores", 0, 7, "long")
    data.create_vector("model", model, "flags", ["true", False], "bool")
    data.create_or_update_scalar("model", model, "flags.1", True, "bool")
    assert data.get("model", model) == {
        "owner": "bob",
        "team": {"name": "red", "size": 4},
        "scores": [7, 1000.0],
        "flags": [True, True],
    }
    assert data.get("model", model, "scores.1") == 1000.0
    data.remove("model", model, "team.name")
    data.remove("model", model, "flags.0")
    assert (data.get("model", model, "team"), data.get("model", model, "flags")) == ({"size": 4}, [True])
    assert ModelDB(catalogue).find.model_ids({"team.size": 4}) == (model,)
    data.replace("model", model, {})
    assert data.get("model", model) == {}


@pytest.mark.parametrize("entity", ["project", "experiment", "run", "model", "data frame"])
def test_everything_that_has_metadata(catalogue: Catalogue, made: Workflow, entity: str) -> None:
    data = ModelDB(catalogue).metadata
    with catalogue.read() as connection:
        rows = {
            "project": project_of(connection, made.run),
            "experiment": connection.scalar(sa.select(experiment_run.c.experiment_id)),
            "run": made.run,
            "model": made.scaler.id,
            "data frame": made.train.id,
        }
    data.create_or_update_scalar(entity, rows[entity], "a.b", 1, "int")
    assert data.get(entity, rows[entity]) == {"a": {"b": 1}}
    with pytest.raises(NotFoundError, match=f"{entity} 4711"):
        data.create_or_update_scalar(entity, 4711, "a.b", 1, "int")


VALUES = [
    ("string", "x", "x"),
    ("int", "-3", -3),
    ("int", 2**31 - 1, 2**31 - 1),
    ("long", str(2**40), 2**40),
    ("double", "0.5", 0.5),
    ("double", 3, 3.0),
    ("bool", "TRUE", True),
    ("bool", False, False),
    ("datetime", "2016-02-23", "2016-02-23T00:00:00+00:00"),
    ("datetime", "2016-02-23T12:00:00+02:00", "2016-02-23T10:00:00+00:00"),
    ("datetime", datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
]


@pytest.mark.parametrize(("value_type", "value", "expected"), VALUES)
def test_typed_values(value_type: str, value: Any, expected: Any) -> None:
    found = typed_value(value, value_type)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        ("string", 3),
        ("int", "3.5"),
        ("int", 2**31),
        ("int", True),
        ("int", 3.0),
        ("long", 2**63),
        ("double", "x"),
        ("double", float("nan")),
        ("double", True),
        ("double", None),
        ("bool", "yes"),
        ("bool", 1),
        ("datetime", "yesterday"),
        ("datetime", 3),
    ],
)
def test_values_of_another_type(value_type: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"is not a value of type {value_type}; give"):
        typed_value(value, value_type)


def test_a_type_that_there_is_not() -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'string'"):
        typed_value("x", "sting")


def test_edits_of_metadata_that_are_refused_change_nothing(catalogue: Catalogue, made: Workflow) -> None:
    data = ModelDB(catalogue).metadata
    before = {"owner": "bob", "list": [1], "object": {"a": 1}}
    data.replace("model", made.model.id, before)

    def refused(error: type[Exception], says: str, call: str, *arguments: Any) -> None:
        with pytest.raises(error, match=says):
            getattr(data, call)("model", made.model.id, *arguments)

    refused(InvalidInputError, "leads through 'owner'", "create_or_update_scalar", "owner.name", "x", "string")
    refused(InvalidInputError, "is a vector", "create_or_update_scalar", "list", "x", "string")
    refused(InvalidInputError, "is an object", "create_or_update_scalar", "object", "x", "string")
    refused(InvalidInputError, "item 1 of a vector of 1", "create_or_update_scalar", "list.1", "x", "string")
    refused(InvalidInputError, "exists; append", "create_vector", "list")
    refused(InvalidInputError, "not a vector", "append_to_vector", "owner", "x", "string")
    refused(NotFoundError, "did you mean 'owner'", "append_to_vector", "ownr", "x", "string")
    refused(InvalidInputError, "has 1 items, none at 1", "update_vector", "list", 1, "x", "string")
    refused(InvalidInputError, "none at -1", "update_vector", "list", -1, "x", "string")
    refused(NotFoundError, "nothing at 'nothing'", "remove", "nothing")
    refused(NotFoundError, "nothing at 'object.b'", "get", "object.b")
    for path in ("", "a..b", 'a"b', ".".join("a" * 21)):
        refused(InvalidInputError, "not a path", "create_or_update_scalar", path, "x", "string")
    for document in ({"a": float("nan")}, {"a": {1, 2}}, {1: "a"}, [1], {"a": "x" * 1_000_001}, {"a": "\0"}):
        refused(InvalidInputError, "metadata", "replace", document)
    with pytest.raises(InvalidInputError, match="'stage' is not one of"):
        data.get("stage", 1)
    assert data.get("model", made.model.id) == before


# ------------------------------------------------------------------ deletion


def rows_left(catalogue: Catalogue) -> dict[str, int]:
    kept = {"project", "experiment", "value_name", "frame_schema", "setting", "model"}
    with catalogue.read() as connection:
        counts = {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in metadata.sorted_tables
        }
    return {name: count for name, count in counts.items() if count and name not in kept}


def test_deleting_a_run_leaves_nothing_of_it_and_everything_else(catalogue: Catalogue) -> None:
    record_workflow(catalogue)
    before = rows_left(catalogue)
    made = record_workflow(catalogue)
    db = ModelDB(catalogue)
    db.annotations.add(made.run, "about", Fragment(model_id=made.model.id), Fragment(frame_id=made.people.id))
    db.tags.add("run", made.run, "draft")
    db.life_stages.move("homes", "price", 2, "candidate")
    planned = db.delete_runs([made.run], dry_run=True)
    assert (planned.runs, planned.versions, planned.dry_run) == ((made.run,), ("homes.price@2",), True)
    assert db.search("tags.draft").total == 1
    done = db.delete_runs([made.run, made.run])
    assert (done.versions, done.dry_run) == (("homes.price@2",), False)
    after = rows_left(catalogue)
    assert after == before
    with pytest.raises(NotFoundError):
        db.browse.run(made.run)


def test_deleting_all_runs(catalogue: Catalogue, made: Workflow) -> None:
    other = record_workflow(catalogue)
    ModelDB(catalogue).delete_runs([made.run, other.run])
    assert rows_left(catalogue) == {}


def test_runs_that_have_not_ended_and_unknown_ones_are_not_deleted(catalogue: Catalogue, made: Workflow) -> None:
    running = record(catalogue, "p", "m", [event(StageKind.READ, "r", frames={"": FrameEntity(1)})], state="running")
    db = ModelDB(catalogue)
    with pytest.raises(RunInProgressError, match=f"run {running} has not ended"):
        db.delete_runs([made.run, running])
    with pytest.raises(NotFoundError, match="run 4711"):
        db.delete_runs([made.run, 4711])
    assert db.search().total == 2
    db.delete_runs([running], force=True)
    assert [run.id for run in db.search().runs] == [made.run]


def test_deleting_a_run_of_a_store_frees_its_bytes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(1000)}, index=pd.RangeIndex(1000, name="row_id"))
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "source", frame)
        store.log_frame("p", "m", "other", frame * 3)
        db = ModelDB(store)
        runs = [run.id for run in db.search().runs]
        done = db.delete_runs(runs)
        assert done.freed_bytes > 0
        assert db.search().total == 0
        assert len(store.intermediates()) == 0
        store.log_frame("p", "m", "again", frame)  # in a run of its own: the former one is forgotten
        assert db.search().total == 1
