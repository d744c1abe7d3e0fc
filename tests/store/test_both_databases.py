"""The store behaves the same on SQLite and on PostgreSQL, with several writers at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from mistique_core import Mistique
from mistique_core.workflows import PredictStage, ReadSklearnStage, SplitStage, TransformStage
from mistique_core.workflows.fit import FitStage

WRITERS = 4


def frame(seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame({"own": generator.normal(size=300), "shared": np.arange(300), "name": ["a", None, "b"] * 100})


def test_frames_come_back_from_a_store_that_is_opened_again(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        store.log_frame("both", "reopened", "table", frame(0))
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        result = store.get_intermediates("both.reopened.table", where=("own", ">", 0.5))
    expected = frame(0).rename_axis("row_id")
    pd.testing.assert_frame_equal(result.to_pandas(), expected[expected["own"] > 0.5], check_exact=True)


def test_writers_at_once_share_what_they_have_in_common(catalogue_url: str, tmp_path: Path) -> None:
    location = tmp_path / "store"
    Mistique.open(location, catalogue_url).close()

    def write(seed: int) -> None:
        with Mistique.open(location, catalogue_url) as store, store.run("both", f"writer_{seed}") as run:
            for _ in range(3):
                run.log_frame("table", frame(seed))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    with Mistique.open(location, catalogue_url) as store:
        frames = store.intermediates("both")
        for seed in range(WRITERS):
            key = f"both.writer_{seed}.table"
            stored = store.get_intermediates(key).to_pandas()
            pd.testing.assert_frame_equal(stored, frame(seed).rename_axis("row_id"), check_exact=True)
    written = frames[frames["model"].str.startswith("writer")]
    assert len(written) == 3 * WRITERS
    assert sorted(written["attempt"]) == sorted([1, 2, 3] * WRITERS)


def test_versions_are_numbered_without_gaps_by_runs_at_once(catalogue_url: str, tmp_path: Path) -> None:
    location = tmp_path / "store"
    Mistique.open(location, catalogue_url).close()

    def run(seed: int) -> int:
        with Mistique.open(location, catalogue_url) as store, store.run("both", "numbered") as made:
            made.log_frame("table", frame(seed))
            return made.version

    with ThreadPoolExecutor(WRITERS) as pool:
        versions = list(pool.map(run, range(2 * WRITERS)))
    assert sorted(versions) == list(range(1, 2 * WRITERS + 1))


def test_a_pipeline_is_reused_and_rerun(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        outcomes = []
        for _ in range(2):
            with store.run("both", "pipeline") as run:
                source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
                parts = run.stage("parts", SplitStage(seed=1), {"data": source}).outputs
                scaler = TransformStage("sklearn.preprocessing.StandardScaler", exclude=["target"])
                scaled = run.stage("scaled", scaler, parts).outputs
                fit = FitStage("sklearn.linear_model.LogisticRegression", "target", {"random_state": 0})
                model = run.stage("fit", fit, {"data": scaled["train"]}).outputs["model"]
                inputs = {"model": model, "data": scaled["test"]}
                outcomes.append(run.stage("predicted", PredictStage(["target"]), inputs))
        read = store.get_intermediates("both.pipeline.predicted", strategy="read").to_pandas()
        rerun = store.get_intermediates("both.pipeline.predicted", strategy="rerun").to_pandas()
    assert [outcome.reused for outcome in outcomes] == [False, True]
    pd.testing.assert_frame_equal(read, rerun, check_exact=True)
