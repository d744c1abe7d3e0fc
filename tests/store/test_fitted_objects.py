"""Fitted objects are read however their bytes are stored, and wherever they lie now."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sklearn.linear_model import LinearRegression

from mistique_core import Mistique, Run
from mistique_core.catalogue.stages import fitted_by_id
from mistique_core.catalogue.tables import chunk, fitted
from mistique_core.engine.chunk_reader import ChunkReader
from mistique_core.engine.commit import Pending
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.maintenance import collect_garbage, compact
from mistique_core.workflows import ReadSklearnStage, TransformStage


def line(seed: int) -> LinearRegression:
    """Return a model with many coefficients, few of which depend on the seed."""
    coefficients = np.random.default_rng(0).normal(size=8000)
    coefficients[seed * 50 : seed * 50 + 20] = 0.5
    model = LinearRegression()
    model.coef_, model.intercept_ = coefficients, 0.0
    return model


def keep(store: Mistique, run: Run, name: str, value: LinearRegression) -> int:
    """Store an object as if the stage of the run's only fitted object had learned it too; return its row."""
    outputs = store.committer.outputs()
    outputs.add_fitted(name, value)
    with store.catalogue.read() as connection:
        stage = connection.scalar(sa.select(fitted.c.stage_id).where(fitted.c.model_version_id == run.version_id))

    def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> int:
        place = {"model_version_id": run.version_id, "stage_id": stage, "name": "fit"}
        return outputs.register(connection, unclaimed, **place)[1][name]

    return store.committer.commit([Pending(outputs, register)])[0]


def test_similar_objects_and_moved_ones(catalogue_url: str, tmp_path: Path) -> None:
    """An object may be stored as its difference to another; its chunk may be moved after it was looked up."""
    pytest.importorskip("datasketch")
    with Mistique.open(tmp_path / "store", catalogue_url, approximate_dedup=True) as store:
        with store.run("p", "m") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            run.stage("scaled", TransformStage("sklearn.preprocessing.StandardScaler"), {"data": source})
            rows = [keep(store, run, f"line{seed}", line(seed)) for seed in range(3)]
        with store.catalogue.read() as connection:
            records = [fitted_by_id(connection, row) for row in rows]
            bases = sa.select(sa.func.count(chunk.c.base_id)).where(chunk.c.id.in_([one.chunk_id for one in records]))
            assert connection.scalar(bases) == 2
        reader = FrameReader(ChunkReader(store.backend, 0), store.catalogue.read)
        with store.catalogue.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(chunk)) > 0  # what it sees is settled now
            compact(store.catalogue, store.backend, store.config, now=0.0)
            assert collect_garbage(store.catalogue, store.backend, grace_seconds=60).deleted_files
            for seed, record in enumerate(records):
                assert np.array_equal(reader.fitted(connection, record).coef_, line(seed).coef_)
