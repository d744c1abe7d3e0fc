"""Groups, columns and statistics of many runs are what pandas makes of the same values, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.catalogue import Catalogue
from mistique_core.errors import InvalidInputError
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts, ProblemType
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.explore.aggregate import Aggregate, aggregate
from mistique_core.modeldb.explore.thinning import thinned
from tests.unit.modeldb.recording import empty_catalogue, record

NULL = object()
"""Stands for a hyperparameter that is set to None; None for a run that has none."""
ROWS = [
    # type, depth, auc, author, run_type, tags, state
    ("Forest", 3, 0.9, "ann", None, {"best", "odd 'tag'"}, "success"),
    ("Forest", 3.5, 0.8, "bob", "trial", set(), "success"),
    ("Linear", True, 0.7, None, "trial", {"best"}, "success"),
    ("Linear", "deep's", None, "ann", "refit", set(), "failed"),
    (None, None, 0.5, "ann", None, set(), "running"),
    ("Forest", [1, 2], 0.4, "ann", None, set(), "success"),
    ("Forest", NULL, 0.3, "ann", None, set(), "success"),
]


def fill(catalogue: Catalogue) -> pd.DataFrame:
    """Record the rows; return them with the ids of the runs."""
    found = []
    for number, (type_name, depth, auc, author, run_type, tags, state) in enumerate(ROWS):
        fitted = {"categories": TransformerEntity(FitFacts("dict"))}
        if type_name is not None:
            fitted["scaler"] = TransformerEntity(FitFacts("StandardScaler"))
            fitted["model"] = TransformerEntity(FitFacts(type_name, ProblemType.REGRESSION))
        events = [
            StageEvent(
                StageKind.FIT,
                "fit",
                "fit",
                "fit",
                fitted=fitted,
                hyperparameters={} if depth is None else {"depth": None if depth is NULL else depth},
                metrics={} if auc is None else {"auc": auc},
            )
        ]
        run = record(
            catalogue, "p", f"m{number % 2}", events, started_at=100.0 - number, state=state, author=author,
            run_type=run_type,
        )  # fmt: skip
        ModelDB(catalogue).tags.add("run", run, *tags)
        found.append({"run": run, "type": type_name, "depth": depth, "auc": auc, "author": author, "state": state})
        found[-1] |= {"run_type": run_type, "tag": sorted(tags), "model": f"m{number % 2}", "started": 100.0 - number}
    return pd.DataFrame(found)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelDB, pd.DataFrame]]:
    with closing(empty_catalogue(tmp_path_factory.mktemp("explore") / "catalogue.db")) as catalogue:
        yield ModelDB(catalogue), fill(catalogue)


def test_postgresql_answers_the_same(filled: tuple[ModelDB, pd.DataFrame], postgres_url: str) -> None:
    ours, frame = filled
    fields = ["metrics.auc", "params.depth", "type", "author"]
    with closing(empty_catalogue(postgres_url)) as catalogue:
        fill(catalogue)
        theirs = ModelDB(catalogue)
        for by in (
            "type",
            "author",
            "state",
            "run_type",
            "tag",
            "model",
            "project",
            "life",
            "experiment",
            "params.depth",
        ):
            assert set(theirs.explore.groups("", by).groups) == set(ours.explore.groups("", by).groups)
        found, expected = (db.explore.values("", fields) for db in (theirs, ours))
        for field in fields:
            np.testing.assert_array_equal(found.numbers[field], expected.numbers[field])
            assert found.texts[field].tolist() == expected.texts[field].tolist()
        assert theirs.explore.names() == ours.explore.names()
        assert [project.model_types for project in theirs.browse.projects()] == [
            project.model_types for project in ours.browse.projects()
        ]
    assert len(found.run_ids) == len(frame)


@pytest.mark.parametrize("by", ["type", "author", "state", "run_type", "tag", "model"])
def test_counts_are_those_of_pandas(filled: Any, by: str) -> None:
    db, frame = filled
    found = db.explore.groups("", by)
    values = frame[by].explode() if by == "tag" else frame[by]
    expected = values.fillna("none").value_counts().to_dict()
    assert {group.label: group.count for group in found.groups} == expected
    assert found.total == len(frame)
    counts = [group.count for group in found.groups]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("by", ["author", "state", "run_type", "tag", "model", "type", "params.depth"])
def test_the_condition_of_a_group_finds_its_runs(filled: Any, by: str) -> None:
    db, _ = filled
    conditions = 0
    for group in db.explore.groups("", by).groups:
        if group.condition and not (by == "type" and group.label == "none"):
            conditions += 1
            assert db.search(group.condition).total == group.count, group
    assert conditions >= 2


def test_a_filter_restricts_the_groups_and_small_ones_are_put_together(filled: Any) -> None:
    db, frame = filled
    kept = frame[frame.author == "ann"]
    found = db.explore.groups("author = 'ann'", "state", most=1)
    assert found.total == len(kept)
    assert (found.groups[0].label, found.groups[0].count) == ("success", 3)
    assert (found.others, found.others_count) == (2, 2)


def test_numbers_texts_truth_values_and_lists_are_groups_of_their_own(filled: Any) -> None:
    db, _ = filled
    found = {group.label: group.condition for group in db.explore.groups("", "params.depth").groups}
    assert found["true"] == "params.depth = true"
    assert found["3"] == "params.depth = 3"
    assert found["deep's"] == "params.depth = 'deep''s'"
    assert found["list or object"] == found["null"] == ""
    assert "none" in found


def test_runs_are_not_grouped_by_a_metric(filled: Any) -> None:
    db, _ = filled
    with pytest.raises(InvalidInputError, match=r"not grouped by metrics\.auc; choose one of type"):
        db.explore.groups("", "metrics.auc")


def test_columns_of_values_are_those_recorded(filled: Any) -> None:
    db, frame = filled
    found = db.explore.values("", ["metrics.auc", "params.depth", "type", "author"])
    ordered = frame.sort_values("started")
    assert found.run_ids.tolist() == ordered.run.tolist()
    assert found.started_at.tolist() == ordered.started.tolist()
    np.testing.assert_array_equal(found.numbers["metrics.auc"], ordered.auc.to_numpy(float))
    assert found.texts["type"].tolist() == [None if pd.isna(item) else item for item in ordered.type]
    assert found.texts["author"].tolist() == [None if pd.isna(item) else item for item in ordered.author]
    depths = dict(zip(found.run_ids.tolist(), found.numbers["params.depth"].tolist(), strict=True))
    assert [depths[run] for run in frame.run[:3]] == [3.0, 3.5, 1.0]
    assert np.isnan([depths[run] for run in frame.run[3:]]).all()
    newest = db.explore.values("", ["metrics.auc"], most=2)
    assert newest.run_ids.tolist() == ordered.run.tolist()[-2:]


def test_nothing_fits(filled: Any) -> None:
    db, _ = filled
    found = db.explore.values("author = 'nobody'", ["metrics.auc"])
    assert (len(found.run_ids), len(found.numbers["metrics.auc"])) == (0, 0)
    assert db.explore.groups("author = 'nobody'", "type").groups == ()


def test_the_main_model_predicts_and_plain_state_is_no_model(filled: Any) -> None:
    db, frame = filled
    found = db.explore.main_models(frame.run.tolist())
    for run, type_name in zip(frame.run, frame.type, strict=True):
        models = found.get(run, ())
        assert [item.type_name for item in models] == ([] if pd.isna(type_name) else [type_name, "StandardScaler"])
        assert [item.predicts for item in models] == ([] if pd.isna(type_name) else [True, False])
    [project] = db.browse.projects()
    assert project.model_types == {"Forest": 4, "Linear": 2, "StandardScaler": 6}
    assert list(project.model_types) == ["Forest", "Linear", "StandardScaler"]
    assert project.models == 12


def test_names_are_those_of_the_newest_runs(filled: Any) -> None:
    db, _ = filled
    found = db.explore.names()
    assert (found.metrics, found.hyperparameters, found.runs) == (("auc",), ("depth",), len(ROWS))
    assert db.explore.names("author = 'nobody'").metrics == ()


def test_runs_of_dags_that_may_not_be_read_do_not_count(filled: Any) -> None:
    db, frame = filled
    with db._catalogue.write() as connection:
        connection.execute(sa.text("update experiment_run set source = 'airflow', dag_id = 'd' where author = 'bob'"))
    try:
        assert db.explore.groups("", "author", readable_dags=set()).total == len(frame) - 1
        assert len(db.explore.values("", ["type"], readable_dags={"other"}).run_ids) == len(frame) - 1
        assert len(db.explore.values("", ["type"], readable_dags={"d"}).run_ids) == len(frame)
    finally:
        with db._catalogue.write() as connection:
            connection.execute(sa.text("update experiment_run set source = 'python' where author = 'bob'"))


PANDAS = {"average": "mean", "sum": "sum", "median": "median", "variance": "var", "stdev": "std", "count": "count"}


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.sampled_from(["a", "b", None]), st.integers(0, 2)),
        max_size=30,
    ),
    st.sampled_from(list(Aggregate)),
)
def test_statistics_are_those_of_pandas(rows: list[tuple[float | None, str | None, int]], how: Aggregate) -> None:
    frame = pd.DataFrame(rows, columns=["y", "name", "depth"]).astype({"y": float, "name": object})
    found = aggregate(frame.y.to_numpy(), [frame.name.to_numpy(), frame.depth.to_numpy()], how)
    known = frame.dropna()
    grouped = known.groupby(["name", "depth"]).y.agg(PANDAS[how])
    assert {group.keys for group in found} == set(grouped.index)
    for group in found:
        assert group.value == pytest.approx(grouped[group.keys], rel=1e-9, abs=1e-6, nan_ok=True)
        assert group.count == len(known[(known.name == group.keys[0]) & (known.depth == group.keys[1])])


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-10, 10)), max_size=200), st.integers(4, 60))
def test_thinning_keeps_the_outline(values: list[float], most: int) -> None:
    series = np.array(values, float)
    kept = thinned(series, most)
    assert len(kept) <= most or len(kept) <= np.count_nonzero(~np.isnan(series))
    assert len(kept) <= max(most, 4)
    assert (np.diff(kept) > 0).all()
    known = series[~np.isnan(series)]
    if len(known):
        assert series[kept].min() == known.min()
        assert series[kept].max() == known.max()
        assert kept[0] == np.flatnonzero(~np.isnan(series))[0]
        assert kept[-1] == np.flatnonzero(~np.isnan(series))[-1]
    if len(known) <= most:
        assert len(kept) == len(known)
