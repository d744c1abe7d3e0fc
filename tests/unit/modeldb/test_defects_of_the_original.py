"""None of the six defects of the original ModelDB (its client of 2018, and its pages)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mistique_core import Mistique
from mistique_core.errors import MistiqueError
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb import ModelDB, RunRecorder, Syncer, light_api
from mistique_core.modeldb.client.autolog import trace
from tests.unit.modeldb.client.recorded import Sink
from tests.unit.modeldb.recording import empty_catalogue, record
from tests.unit.modeldb.workflows import forest_facts, linear_facts


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    return frame.assign(y=(frame["a"] > 0).astype(int))


def test_1_a_split_without_a_seed_can_be_repeated() -> None:
    """The original recorded a seed that had not been used."""
    frame, sink = table(), Sink()
    with trace(sink):
        train, test = train_test_split(frame)
    seed = sink.only("train_test_split").facts["seed"]
    again, rest = train_test_split(frame, random_state=seed)
    pd.testing.assert_frame_equal(train, again)
    pd.testing.assert_frame_equal(test, rest)


class Counting(StandardScaler):
    """Counts how often it is fitted."""

    fits = 0

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        type(self).fits += 1
        return super().fit(X, y, sample_weight)


def test_2_a_pipeline_is_fitted_once() -> None:
    """The original fitted the whole, and each stage again."""
    frame = table()
    Counting.fits = 0
    with Syncer(sink=Sink()):
        pipeline: Any = Pipeline([("scale", Counting()), ("model", LogisticRegression())])
        pipeline.fit_sync(frame[["a", "b"]], frame["y"])
    assert Counting.fits == 1


def test_3_metrics_belong_to_the_data_that_they_name(tmp_path: Path) -> None:
    """The original bound all to the model's own, and a file with one dataset failed; its loader ran any YAML tag."""
    path = tmp_path / "run.yaml"
    model = "MODEL: {NAME: m, TYPE: t, PATH: m.R, TAG: train, CONFIG: {n: 1}, METRICS: ["
    path.write_text(
        "DATASETS:\n- {FILENAME: a.csv, METADATA: {}, TAG: train}\n- {FILENAME: b.csv, METADATA: {}, TAG: test}\n"
        f"{model}{{TYPE: auc, VALUE: 0.75}}, {{TYPE: auc, VALUE: 0.5, TAG: test}}]}}\n"
    )
    with Mistique.open(tmp_path / "store") as store:
        light_api.import_file(store, path)
        with store.catalogue.read() as connection:
            rows = connection.execute(
                sa.text("SELECT d.tag, m.value FROM metric m JOIN data_frame d ON d.id = m.data_frame_id")
            ).all()
        assert sorted(map(tuple, rows)) == [("test", 0.5), ("train", 0.75)]
        path.write_text(f"DATASETS:\n- {{FILENAME: a.csv, METADATA: {{}}, TAG: train}}\n{model}]}}\n")
        light_api.import_file(store, path)
        path.write_text("MODEL: !!python/object/apply:os.system ['true']\n")
        with pytest.raises(MistiqueError):
            light_api.import_file(store, path)


def test_4_lists_leave_out_nothing_and_take_few_queries(tmp_path: Path) -> None:
    """The original hid models without a metric, showed one data frame's value to three digits, and asked run by run."""
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    model, train, test = TransformerEntity(linear_facts()), FrameEntity(3), FrameEntity(2)
    measured = [
        StageEvent(StageKind.METRIC, name, "m:E", "E", metrics={"auc": value}, metrics_of=model, metrics_on=data)
        for name, value, data in (("on_train", 0.123456789, train), ("on_test", 0.5, test))
    ]
    with RunRecorder(catalogue, "p", "m") as run:
        run.record([StageEvent(StageKind.FIT, "fit", "m:F", "F", fitted={"model": model}), *measured])
    for _ in range(60):
        record(catalogue, "p", "without")
    db = ModelDB(catalogue)
    assert db.search().total == 61
    assert model.id is not None
    assert db.browse.model(model.id).metrics == {"auc": {train.id: 0.123456789, test.id: 0.5}}
    counts = []
    for limit in (5, 50):
        statements: list[str] = []
        sa.event.listen(
            catalogue.engine, "before_cursor_execute", lambda *given, into=statements: into.append(given[2])
        )
        db.search("order by id", columns=["metrics.auc"], limit=limit)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 20
    catalogue.close()


def test_5_any_model_can_be_compared_and_workflows_are_graphs(tmp_path: Path) -> None:
    """The original ranked linear models only, and took chains only."""
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    forests = [TransformerEntity(forest_facts()) for _ in range(2)]
    left, right, joined = FrameEntity(5), FrameEntity(5), FrameEntity(5)
    events = [
        StageEvent(StageKind.TRANSFORM, "join", "m:J", "J", inputs={"left": left, "right": right}, frames={"": joined})
    ]
    for number, forest in enumerate(forests):
        events.append(StageEvent(StageKind.FIT, "fit", "m:F", "F", inputs={"data": joined}, fitted={"model": forest}))
        events.append(StageEvent(StageKind.METRIC, "e", "m:E", "E", metrics={"auc": 0.5 + number}, metrics_of=forest))
    with RunRecorder(catalogue, "p", "m") as run:
        run.record(events)
    db = ModelDB(catalogue)
    first, second = (forest.id for forest in forests)
    assert first is not None
    assert second is not None
    assert db.find.rank_models([first, second], "auc") == (second, first)
    assert db.find.similar_models(first, ["auc"], 1) == (second,)
    assert db.compare.feature_importances(first, second)
    assert joined.id is not None
    assert {item.frame.id for item in db.lineage.frame_ancestry(joined.id).ancestors} == {left.id, right.id}
    catalogue.close()


def test_6_fit_sync_can_be_chained() -> None:
    """The original returned None."""
    frame = table()
    with Syncer(sink=Sink()):
        model: Any = LogisticRegression()
        assert model.fit_sync(frame[["a", "b"]], frame["y"]) is model
