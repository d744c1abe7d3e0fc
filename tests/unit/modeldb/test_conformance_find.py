"""The original's questions that find, group and rank models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mistique_core.catalogue import Catalogue
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model.event import FrameEntity, StageKind, TransformerEntity
from mistique_core.model.fit_facts import Feature, FitFacts, LinearFacts, ProblemType
from mistique_core.modeldb.edit import Metadata, Projects
from mistique_core.modeldb.find import Finder
from mistique_core.modeldb.lineage.load import project_of
from tests.unit.modeldb.recording import empty_catalogue, record
from tests.unit.modeldb.workflows import event, linear_facts

CLASSES = ProblemType.BINARY_CLASSIFICATION


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    found = empty_catalogue(catalogue_url)
    yield found
    found.close()


def model(
    catalogue: Catalogue,
    type_name: str,
    metrics: dict[str, float] | None = None,
    project: str = "p",
    problem: ProblemType = CLASSES,
    linear: LinearFacts | None = None,
    **metadata: Any,
) -> int:
    """Record a run with one model; return the model."""
    made = TransformerEntity(FitFacts(type_name, problem, linear=linear), metadata=metadata)
    data = FrameEntity(10, tag="test")
    events = [event(StageKind.FIT, "fit", fitted={"": made})]
    if metrics:
        events.append(event(StageKind.METRIC, "m", metrics=metrics, metrics_of=made, metrics_on=data))
    record(catalogue, project, "m", events)
    assert made.id is not None
    return made.id


def test_similar_models_by_what_is_equal(catalogue: Catalogue) -> None:
    a = model(catalogue, "Forest")
    b = model(catalogue, "Forest", problem=ProblemType.REGRESSION)
    c = model(catalogue, "Ridge")
    d = model(catalogue, "Forest", project="q")
    find = Finder(catalogue)
    assert find.similar_models(a, ["model type"], 9) == (b, d)
    assert find.similar_models(a, ["problem type"], 9) == (c, d)
    assert find.similar_models(a, ["project"], 9) == (b, c)
    assert find.similar_models(a, ["experiment run"], 9) == ()
    assert find.similar_models(a, ["project", "problem type"], 9) == (c, b), "the second only breaks ties"
    assert find.similar_models(a, ["model type"], 1) == (b,)


def test_similar_models_by_any_metric_are_lexicographic(catalogue: Catalogue) -> None:
    a = model(catalogue, "A", {"auc": 0.5, "loss": 1.0})
    far = model(catalogue, "A", {"auc": 0.9, "loss": 1.0})
    below = model(catalogue, "B", {"auc": 0.25, "loss": 9.0})
    above = model(catalogue, "B", {"auc": 0.75, "loss": 2.0})
    same = model(catalogue, "C", {"auc": 0.75})
    model(catalogue, "A", {"other": 0.5})
    find = Finder(catalogue)
    assert find.similar_models(a, ["auc"], 9) == (below, above, same, far)
    assert find.similar_models(a, ["auc", "loss"], 9) == (above, below, same, far), "a model without it comes last"
    assert find.similar_models(a, ["model type", "auc"], 9)[0] == far
    assert find.similar_models(a, ["unknown", "auc"], 2) == (below, above), "what the model has no value of is left out"
    assert find.similar_models(a, ["unknown"], 9) == find.similar_models(a, [], 9) == ()


def test_similar_models_errors(catalogue: Catalogue) -> None:
    known = model(catalogue, "A")
    with pytest.raises(NotFoundError, match="model 4711"):
        Finder(catalogue).similar_models(4711, ["project"], 3)
    for limit in (0, -1):
        with pytest.raises(InvalidInputError, match="ask for 1 at least"):
            Finder(catalogue).similar_models(known, ["project"], limit)


def test_rank_models(catalogue: Catalogue) -> None:
    low, high, none = (model(catalogue, "A", {"auc": 0.1}), model(catalogue, "A", {"auc": 0.9}), model(catalogue, "A"))
    find = Finder(catalogue)
    assert find.rank_models([low, none, high, 4711, low], "auc") == (high, low)
    assert find.rank_models([low, high], "auc", descending=False) == (low, high)
    assert find.rank_models([low, high], "auc", on="test") == (high, low)
    assert find.rank_models([low, high], "auc", on="train") == ()
    assert find.rank_models([], "auc") == ()


def test_rank_models_by_what_the_fit_of_a_linear_model_gave(catalogue: Catalogue) -> None:
    first = model(catalogue, "Ridge", linear=LinearFacts((), rmse=1.0, r2=0.5))
    second = model(catalogue, "Ridge", linear=LinearFacts((), rmse=2.0))
    third = model(catalogue, "Forest", {"rmse": 1.5})
    find = Finder(catalogue)
    assert find.rank_models([first, second, third], "rmse") == (second, third, first), "as the original: descending"
    assert find.rank_models([first, second, third], "r2") == (first,)


def test_group_by_problem_type(catalogue: Catalogue) -> None:
    a, b = model(catalogue, "A"), model(catalogue, "B", problem=ProblemType.REGRESSION)
    c = model(catalogue, "C")
    found = Finder(catalogue).group_by_problem_type([c, 4711, a, b, c])
    assert found == {"binary classification": (c, a), "regression": (b,)}
    assert Finder(catalogue).group_by_problem_type([4711]) == {}


def test_models_with_features(catalogue: Catalogue) -> None:
    both = TransformerEntity(linear_facts())
    twin = TransformerEntity(linear_facts(type_name="Other"))
    one = TransformerEntity(FitFacts("Ridge", features=(Feature("age"),)))
    events = [event(StageKind.FIT, f"f{number}", fitted={"": made}) for number, made in enumerate((both, twin, one))]
    record(catalogue, "p", "m", events)
    find = Finder(catalogue)
    assert find.models_with_features(["age"]) == (both.id, twin.id, one.id)
    assert find.models_with_features(["log_income", "age", "age"]) == (both.id, twin.id)
    assert find.models_with_features(["age", "unknown"]) == find.models_with_features([]) == ()


def test_get_model_ids(catalogue: Catalogue) -> None:
    a = model(catalogue, "A", owner="bob", size=3, done=True, nested={"list": [1, {"x": "y"}]})
    b = model(catalogue, "A", owner="bob", size=4, done=1)
    model(catalogue, "A")
    find = Finder(catalogue)
    assert find.model_ids({"owner": "bob"}) == (a, b)
    assert find.model_ids({"owner": "bob", "size": 3}) == find.model_ids({"size": "3"}) == (a,)
    assert find.model_ids({"done": True}) == find.model_ids({"done": "true"}) == (a,)
    assert find.model_ids({"done": 1}) == (b,)
    assert find.model_ids({"nested.list.1.x": "y"}) == (a,)
    assert find.model_ids({"owner": "eve"}) == find.model_ids({"unknown": 1}) == ()


def test_get_project_ids(catalogue: Catalogue) -> None:
    ids = []
    for name in ("one", "two"):
        run = record(catalogue, name, "m")
        with catalogue.read() as connection:
            ids.append(project_of(connection, run))
    Projects(catalogue).update(ids[0], "author", "ann")
    Metadata(catalogue).create_or_update_scalar("project", ids[1], "team.name", "red", "string")
    find = Finder(catalogue)
    assert find.project_ids({"author": "ann"}) == (ids[0],)
    assert find.project_ids({"team.name": "red", "name": "two"}) == (ids[1],)
    assert find.project_ids({"author": "ann", "name": "two"}) == ()
    assert find.project_ids({}) == tuple(ids)
