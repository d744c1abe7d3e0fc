"""A store whose bytes are on object storage does what one in a folder does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.engine.calibrate import calibrate
from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.storage import StorageBackend, open_backend
from mistique_core.workflows import PredictStage, ReadSklearnStage, SplitStage
from mistique_core.workflows.fit import FitStage
from tests.s3_server import BUCKET

READER = """
import json, sys
from mistique_core import Mistique
with Mistique.open(sys.argv[1], sys.argv[2], block_rows=100) as store:
    result = store.get_intermediates("p.m.table", where=("x", ">", 0), strategy="read")
    report = store.log_frame("p", "other", "table", store.get_intermediates("p.m.table").to_pandas())
    print(json.dumps({
        "rows": json.loads(result.to_pandas().to_json(orient="split", double_precision=15)),
        "stored_bytes": report.stored_bytes,
        "files": sum(1 for _ in store.backend.names()),
    }))
"""


def frame() -> pd.DataFrame:
    generator = np.random.default_rng(5)
    data = pd.DataFrame(
        {"x": generator.normal(size=500).round(6), "n": np.arange(500), "s": ["a", None, "ü", "b", "c"] * 100}
    )
    return data.rename_axis("row_id")


def keys(location: str) -> list[str]:
    """Return the objects of a store, relative to its prefix, as another program sees them."""
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    prefix = location.removeprefix(f"s3://{BUCKET}/")
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    client.close()
    return [item["Key"].removeprefix(f"{prefix}/") for item in listed]


def test_another_process_reads_and_shares_what_was_logged(s3_location: str, catalogue_url: str) -> None:
    with Mistique.open(s3_location, catalogue_url, block_rows=100) as store:
        store.log_frame("p", "m", "table", frame())
        stored = store.get_intermediates("p.m.table").to_pandas()
        files = list(store.backend.names())
    pd.testing.assert_frame_equal(stored, frame(), check_exact=True)
    command = [sys.executable, "-c", READER, s3_location, catalogue_url]
    answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    expected = json.loads(frame()[frame()["x"] > 0].to_json(orient="split", double_precision=15))
    assert answer == {"rows": expected, "stored_bytes": 0, "files": len(files)}
    assert sorted(keys(s3_location)) == sorted([*(f"partitions/{name}" for name in files), "store-id"])


def test_stages_are_reused_and_rerun(s3_location: str, catalogue_url: str) -> None:
    outcomes = []
    for _ in range(2):
        with Mistique.open(s3_location, catalogue_url) as store, store.run("p", "pipeline") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            parts = run.stage("parts", SplitStage(seed=1), {"data": source}).outputs
            fit = FitStage("sklearn.linear_model.LogisticRegression", "target", {"random_state": 0, "max_iter": 500})
            model = run.stage("fit", fit, {"data": parts["train"]}).outputs["model"]
            outcomes.append(run.stage("predicted", PredictStage(["target"]), {"model": model, "data": parts["test"]}))
    assert [outcome.reused for outcome in outcomes] == [False, True]
    with Mistique.open(s3_location, catalogue_url) as store:
        read = store.get_intermediates("p.pipeline.predicted", strategy="read").to_pandas()
        rerun = store.get_intermediates("p.pipeline.predicted", strategy="rerun").to_pandas()
    pd.testing.assert_frame_equal(read, rerun, check_exact=True)


def test_a_catalogue_is_not_opened_with_another_prefix(s3_location: str, catalogue_url: str) -> None:
    with Mistique.open(f"{s3_location}/first", catalogue_url) as store:
        store.log_frame("p", "m", "table", frame())
    with pytest.raises(InvalidInputError, match=f"belongs to another folder than {s3_location}/second"):
        Mistique.open(f"{s3_location}/second", catalogue_url)
    with Mistique.open(f"{s3_location}/first/", catalogue_url) as store:
        assert len(store.get_intermediates("p.m.table").frame) == 500


def test_a_lost_object_is_damage(s3_location: str, tmp_path: Path) -> None:
    with Mistique.open(s3_location, f"sqlite:///{tmp_path / 'catalogue.db'}", cache_bytes=0) as store:
        store.log_frame("p", "m", "table", frame())
        for name in list(store.backend.names()):
            store.backend.delete(name)
        with pytest.raises(CorruptPartitionError, match=f"partition {s3_location}/partitions/[0-9a-f]*.h5 is missing"):
            store.get_intermediates("p.m.table", strategy="read")


def test_the_catalogue_has_to_be_named(s3_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Object storage cannot hold a database; the environment may name it."""
    monkeypatch.delenv("MISTIQUE_CATALOGUE_URL", raising=False)
    with pytest.raises(InvalidInputError, match=r"give catalogue_url or set \$MISTIQUE_CATALOGUE_URL"):
        Mistique.open(s3_location)
    assert keys(s3_location) == []
    monkeypatch.setenv("MISTIQUE_CATALOGUE_URL", f"sqlite:///{tmp_path / 'catalogue.db'}")
    Mistique.open(s3_location).close()
    assert keys(s3_location) == ["store-id"]
    monkeypatch.setenv("MISTIQUE_HOME", s3_location)
    with Mistique.open() as store:
        assert store.config.location == s3_location


def test_statistics_show_the_url(s3_location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with Mistique.open(s3_location, url) as store:
        store.log_frame("p", "m", "table", frame())
        assert store.stats().location == s3_location
    assert main(["--store", s3_location, "--catalogue", url, "stats"]) == 0
    assert s3_location in capsys.readouterr().out


@pytest.fixture(params=["folder", "object storage"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> StorageBackend:
    if request.param == "folder":
        return open_backend(str(tmp_path))
    return open_backend(request.getfixturevalue("s3_location"))


def test_measuring_leaves_nothing(backend: StorageBackend) -> None:
    rates = calibrate(backend, 3)
    assert 1e5 < 1 / rates["stored.plain"].seconds < 1e12
    assert 0 < rates["chunk.plain"].seconds < 1
    for encoding in ("plain", "units", "float16", "kbit", "bounded", "threshold", "pool", "pool+float16"):
        assert 1e5 < 1 / rates[f"decoded.{encoding}"].seconds < 1e12
    assert list(backend.names()) == []
    assert backend.leftovers(0, remove=False) == []
    backend.close()
