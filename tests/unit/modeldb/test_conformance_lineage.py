"""The original's questions about lineage, against what the recorded workflow says by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.modeldb_tables import data_frame
from mistique_core.catalogue.tables import stage
from mistique_core.errors import NotFoundError
from mistique_core.model.event import FrameEntity, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.lineage import Lineage
from tests.unit.modeldb.recording import empty_catalogue, record
from tests.unit.modeldb.workflows import Workflow, columns, event, record_workflow, workflow


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    found = empty_catalogue(catalogue_url)
    yield found
    found.close()


@pytest.fixture
def made(catalogue: Catalogue) -> Workflow:
    return record_workflow(catalogue)


def names(events: tuple) -> list[str]:
    return [item.name for item in events]


def test_get_data_frame_ancestry(catalogue: Catalogue, made: Workflow) -> None:
    ancestry = Lineage(catalogue).frame_ancestry(made.train.id)
    assert ancestry.frame.id == made.train.id
    steps = {item.frame.id: item.steps for item in ancestry.ancestors}
    assert steps == {made.scaled.id: 1, made.joined.id: 2, made.people.id: 3, made.homes.id: 3}
    assert [item.steps for item in ancestry.ancestors] == [1, 2, 3, 3]
    assert names(ancestry.events) == ["read_people", "read_homes", "join", "scale", "split"]
    assert ancestry.frame.columns == columns("id", "age", "log_income", "rooms", "price")
    assert Lineage(catalogue).frame_ancestry(made.people.id).ancestors == ()


def test_get_common_ancestor(catalogue: Catalogue, made: Workflow) -> None:
    lineage = Lineage(catalogue)
    found = lineage.common_ancestor(made.train.id, made.predicted.id)
    assert found.ancestor is not None
    assert found.ancestor.id == made.scaled.id
    assert (found.steps_1, found.steps_2) == (1, 2)
    assert (names(found.events_1), names(found.events_2)) == (["split"], ["split", "predict"])
    itself = lineage.common_ancestor(made.scaled.id, made.test.id)
    assert (itself.ancestor.id, itself.steps_1, itself.steps_2) == (made.scaled.id, 0, 1)
    same = lineage.common_ancestor(made.train.id, made.train.id)
    assert (same.ancestor.id, same.steps_1, same.steps_2) == (made.train.id, 0, 0)
    none = lineage.common_ancestor(made.people.id, made.homes.id)
    assert (none.ancestor, none.steps_1, none.steps_2) == (None, -1, -1)


def test_get_common_ancestor_for_models(catalogue: Catalogue, made: Workflow) -> None:
    found = Lineage(catalogue).common_ancestor_of_models(made.scaler.id, made.model.id)
    assert (found.ancestor.id, found.steps_1, found.steps_2) == (made.joined.id, 0, 2)
    other = record_workflow(catalogue)
    assert Lineage(catalogue).common_ancestor_of_models(made.model.id, other.model.id).ancestor is None


def test_frames_of_equal_stored_content_are_a_common_ancestor_of_two_runs(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([0, 1], name="row_id"))
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "one", "source", frame)
        store.log_frame("p", "two", "source", frame)
        store.log_frame("p", "two", "other", frame + 1)
        with store.catalogue.read() as connection:
            one, two, other = connection.scalars(sa.select(data_frame.c.id).order_by(data_frame.c.id))
        lineage = Lineage(store.catalogue)
        found = lineage.common_ancestor(one, two)
        assert (found.ancestor.id, found.ancestor_of_second.id) == (one, two)
        assert found.ancestor.names == ("a",)
        assert lineage.common_ancestor(one, other).ancestor is None


def test_compute_model_ancestry(catalogue: Catalogue, made: Workflow) -> None:
    ancestry = Lineage(catalogue).model_ancestry(made.model.id)
    assert (ancestry.fit.name, ancestry.fit.kind) == ("fit", "fit")
    assert names(ancestry.events) == ["read_people", "read_homes", "join", "scale", "split"]
    assert ancestry.events[-1].facts == {"seed": 7, "weights": [0.8, 0.2]}
    assert {frame.tag for frame in ancestry.sources} == {"people", "homes"}


def test_extract_pipeline(catalogue: Catalogue, made: Workflow) -> None:
    steps = Lineage(catalogue).extract_pipeline(made.model.id)
    assert [step.event.name for step in steps] == ["join", "scale", "fit"]
    assert [None if step.transformer is None else step.transformer.id for step in steps] == [
        None,
        made.scaler.id,
        made.model.id,
    ]
    specs = [(step.spec.label, step.spec.hyperparameters) for step in steps if step.spec is not None]
    assert specs == [
        ("join", {}),
        ("LogScaler", {"base": 10}),
        ("LinearRegression", {"alpha": 0.5, "fit_intercept": True}),
    ]


def test_extract_pipeline_of_a_pipeline_that_was_fitted_as_one(catalogue: Catalogue) -> None:
    source, whole = FrameEntity(10, columns("a")), TransformerEntity(FitFacts("Pipeline"))
    first, last = TransformerEntity(FitFacts("Scaler")), TransformerEntity(FitFacts("Ridge"))
    outer = event(StageKind.PIPELINE, "pipe", inputs={"X": source}, fitted={"": whole})
    between = FrameEntity(10, columns("a"))
    parts = [
        event(StageKind.FIT, "ridge", inputs={"X": between}, fitted={"": last}, parent=outer, facts={"position": 1}),
        event(StageKind.FIT, "scaler", inputs={"X": source}, fitted={"": first}, parent=outer, facts={"position": 0}),
    ]
    record(catalogue, "p", "m", [outer, *parts])
    steps = Lineage(catalogue).extract_pipeline(whole.id)
    assert [step.transformer.id for step in steps] == [first.id, last.id, whole.id]


def test_original_features(catalogue: Catalogue, made: Workflow) -> None:
    found = Lineage(catalogue).original_features(made.model.id)
    assert found.names == ("age", "income")
    assert {(column.frame.id, column.column) for column in found.columns} == {
        (made.people.id, "age"),
        (made.people.id, "income"),
    }


def test_original_features_through_an_event_that_says_nothing_of_its_columns(catalogue: Catalogue) -> None:
    """A column that goes on is itself; a new one may come from every column of the inputs."""
    source, made = FrameEntity(5, columns("a", "b")), FrameEntity(5, columns("a", "new"))
    facts = {"type_name": "Ridge"}
    kept = TransformerEntity(FitFacts(**facts, features=()))
    events = [
        event(StageKind.TRANSFORM, "custom", inputs={"": source}, frames={"": made}),
        event(StageKind.FIT, "all", inputs={"": made}, fitted={"": kept}),
    ]
    record(catalogue, "p", "m", events)
    assert Lineage(catalogue).original_features(kept.id).names == ("a", "b")


def test_models_derived_from_data_frame(catalogue: Catalogue, made: Workflow) -> None:
    other = record_workflow(catalogue, project="elsewhere")
    lineage = Lineage(catalogue)

    def derived(frame: FrameEntity) -> list[int]:
        return [model.id for model in lineage.models_derived_from(frame.id)]

    assert derived(made.people) == [made.scaler.id, made.model.id]
    assert derived(made.scaled) == derived(made.train) == [made.model.id]
    assert derived(made.test) == []
    assert derived(other.homes) == [other.scaler.id, other.model.id]


def test_models_of_tries_that_were_tried_again_are_not_derived(catalogue: Catalogue, made: Workflow) -> None:
    with catalogue.write() as connection:
        row = connection.execute(sa.select(stage).where(stage.c.id == made.events["fit"].id)).one()._asdict()
        connection.execute(sa.insert(stage).values({**row, "id": None, "try_number": 2} | {"id": 10_000}))
    assert [model.id for model in Lineage(catalogue).models_derived_from(made.people.id)] == [made.scaler.id]


def test_lineage_goes_on_into_the_runs_that_something_was_taken_from(catalogue: Catalogue, made: Workflow) -> None:
    model = TransformerEntity(FitFacts("Ridge"))
    record(catalogue, "homes", "later", [event(StageKind.FIT, "fit", inputs={"": made.train}, fitted={"": model})])
    ancestry = Lineage(catalogue).model_ancestry(model.id)
    assert names(ancestry.events) == ["read_people", "read_homes", "join", "scale", "split"]
    assert model.id in [found.id for found in Lineage(catalogue).models_derived_from(made.homes.id)]


def test_the_number_of_queries_does_not_grow_with_the_graph(tmp_path: Path) -> None:
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    small = record_workflow(catalogue)
    chain = [FrameEntity(5, columns("a"))]
    events = []
    for number in range(300):
        chain.append(FrameEntity(5, columns("a")))
        events.append(event(StageKind.TRANSFORM, f"t{number}", inputs={"": chain[-2]}, frames={"": chain[-1]}))
    record(catalogue, "p", "m", events)
    counts = []
    for frame in (small.predicted, chain[-1]):
        statements: list[str] = []
        listener = lambda *args, seen=statements: seen.append(args[2])  # noqa: E731
        sa.event.listen(catalogue.engine, "before_cursor_execute", listener)
        found = Lineage(catalogue).frame_ancestry(frame.id)
        sa.event.remove(catalogue.engine, "before_cursor_execute", listener)
        counts.append(len(statements))
    assert len(found.ancestors) == len(found.events) == 300
    assert counts[0] == counts[1]


@pytest.mark.parametrize("ask", ["frame_ancestry", "model_ancestry", "extract_pipeline", "original_features"])
def test_unknown_ids_are_not_found(catalogue: Catalogue, ask: str) -> None:
    with pytest.raises(NotFoundError, match="4711 does not exist"):
        getattr(Lineage(catalogue), ask)(4711)


def test_unknown_ids_of_pairs_and_of_what_is_derived(catalogue: Catalogue, made: Workflow) -> None:
    lineage = Lineage(catalogue)
    for ask, known in ((lineage.common_ancestor, made.train.id), (lineage.common_ancestor_of_models, made.model.id)):
        with pytest.raises(NotFoundError, match="4711"):
            ask(known, 4711)
    with pytest.raises(NotFoundError, match="data frame 4711"):
        lineage.models_derived_from(4711)


def test_a_model_that_no_event_fitted(catalogue: Catalogue) -> None:
    given = TransformerEntity(FitFacts("Ridge"))
    record(catalogue, "p", "m", [event(StageKind.PREDICT, "predict", inputs={"model": given})])
    lineage = Lineage(catalogue)
    for ask in (lineage.model_ancestry, lineage.extract_pipeline, lineage.original_features):
        with pytest.raises(NotFoundError, match=r"\(Ridge\): .*recorded"):
            ask(given.id)


def test_a_workflow_is_the_same_on_paper() -> None:
    """The fixture itself: every event takes what an earlier one made."""
    known: list[int] = []
    for item in workflow().events.values():
        assert all(id(entity) in known for entity in item.inputs.values())
        known += [id(entity) for entity in (*item.frames.values(), *item.fitted.values())]
