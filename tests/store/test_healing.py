"""What is damaged and can be re-run is answered by a re-run, stored again, and the answer says so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from mistique_core import Mistique
from mistique_core.errors import CorruptPartitionError
from mistique_core.workflows import ReadSklearnStage, TransformStage

FEATURES = load_breast_cancer(as_frame=True).frame.rename_axis("row_id")
KEY = "p.m.scaled"


def log(home: Path) -> set[Path]:
    """Log a source and its scaled features; return the partition files of the latter."""
    with Mistique.open(home) as store, store.run("p", "m") as run:
        source = run.stage("source", ReadSklearnStage("breast_cancer")).outputs[""]
        before = partitions(home)
        scaler = TransformStage("sklearn.preprocessing.StandardScaler", exclude=["target"])
        run.stage("scaled", scaler, {"data": source})
    return partitions(home) - before


def partitions(home: Path) -> set[Path]:
    """Return all partition files."""
    return set((home / "partitions").rglob("*.h5"))


def recorded(home: Path) -> pd.DataFrame:
    """Return the scaled features as they are stored, which is what scikit-learn computes."""
    with Mistique.open(home) as store:
        frame = store.get_intermediates(KEY, strategy="read").frame
    features = FEATURES.drop(columns="target")
    values = StandardScaler().fit(features).transform(features)
    np.testing.assert_allclose(frame[features.columns], values, rtol=1e-9)
    return frame


def damage(path: Path, how: str) -> None:
    """Lose a file, cut it, or turn every byte after its first kilobyte around."""
    data = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    if how == "flipped":
        path.write_bytes(data[:1024] + bytes(byte ^ 0xFF for byte in data[1024:]))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a store."""
    return tmp_path / "home"


@pytest.mark.parametrize("how", ["lost", "cut", "flipped"])
def test_a_damaged_intermediate_is_rerun_and_stored_again(home: Path, how: str) -> None:
    """Once by a re-run, which the plan says; afterwards it is read again, from new bytes."""
    files = log(home)
    expected = recorded(home)
    for path in files:
        damage(path, how)
    with Mistique.open(home, cache_bytes=0) as store:
        with pytest.raises(CorruptPartitionError):
            store.get_intermediates(KEY, strategy="read")
        result = store.get_intermediates(KEY, row_id=[17, 3])
        pd.testing.assert_frame_equal(result.to_pandas(), expected.loc[[17, 3]], check_exact=True)
        assert result.plan.strategy == "rerun"
        assert "damaged" in result.plan.reason
        assert "stored again" in result.plan.reason
        again = store.get_intermediates(KEY, strategy="read")
        pd.testing.assert_frame_equal(again.to_pandas(), expected, check_exact=True)
        assert again.plan.strategy == "read"
    with Mistique.open(home, cache_bytes=0) as store:
        pd.testing.assert_frame_equal(store.get_intermediates(KEY, strategy="read").frame, expected, check_exact=True)


def test_it_heals_a_second_time(home: Path) -> None:
    """The file that healing wrote is damaged too: its name is taken by bytes that are no longer its own."""
    for path in log(home):
        damage(path, "flipped")
    for _ in range(3):
        before = partitions(home)
        with Mistique.open(home, cache_bytes=0) as store:
            assert store.get_intermediates(KEY).plan.strategy == "rerun"
            assert store.get_intermediates(KEY, strategy="read").plan.strategy == "read"
        for path in partitions(home) - before or partitions(home):
            if path.stat().st_mtime >= max(other.stat().st_mtime for other in partitions(home)):
                damage(path, "flipped")


def test_what_cannot_be_rerun_stays_an_error(home: Path) -> None:
    """A frame that was logged by hand has no stage; nothing is answered."""
    with Mistique.open(home, cache_bytes=0) as store:
        store.log_frame("p", "m", "x", FEATURES)
        for path in partitions(home):
            damage(path, "flipped")
        with pytest.raises(CorruptPartitionError, match=r"mistique check|backup"):
            store.get_intermediates("p.m.x")
