"""A disk that is really full: what was stored before stays, the message says what to do, and work goes on after it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import MistiqueError

DISK_BYTES = 12 << 20
FILLER_BYTES = 3 << 20
MOST_FRAMES = 100


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB, with a file of 3 MB that can be deleted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here, which only root may: {mounted.stderr.strip()}")
    (folder / "filler").write_bytes(b"x" * FILLER_BYTES)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def frame(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({f"x{number}": random.normal(size=10_000) for number in range(5)}).rename_axis("row_id")


def log_until_full(store: Mistique, first: int) -> tuple[int, MistiqueError]:
    """Log frames one by one; return the number of the one that had no room, and what was said."""
    for number in range(first, first + MOST_FRAMES):
        try:
            store.log_frame("p", f"m{number}", "x", frame(number))
        except MistiqueError as error:
            return number, error
    raise AssertionError("the disk was never full")


def check(store: Mistique, logged: int) -> None:
    """Everything that was logged is there, and nothing else."""
    report = store.check(read_data=True)
    assert report.problems == ()
    assert report.is_complete
    assert store.backend.leftovers(0, remove=False) == []
    for number in range(logged):
        got = store.get_intermediates(f"p.m{number}.x", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(got, frame(number), check_exact=True)


@pytest.mark.parametrize("catalogue", ["elsewhere", "on the same disk"])
def test_a_full_disk(disk: Path, tmp_path: Path, catalogue: str) -> None:
    place = (disk if catalogue == "on the same disk" else tmp_path) / "catalogue.db"
    with Mistique.open(disk / "store", f"sqlite:///{place}") as store:
        full, error = log_until_full(store, 0)
        assert full >= 3
        assert "space" in str(error) or "full" in str(error)
        check(store, full)
        for _ in range(3):  # and again
            with pytest.raises(MistiqueError):
                store.log_frame("p", f"m{full}", "x", frame(full))
        check(store, full)
        (disk / "filler").unlink()
        store.log_frame("p", f"m{full}", "x", frame(full))
        check(store, full + 1)
        assert store.gc(grace_seconds=0).deleted_files == ()
        again, _ = log_until_full(store, full + 1)
        store.delete("p", "m1")
        assert len(store.gc(grace_seconds=0).deleted_files) == 1
        store.log_frame("p", f"m{again}", "x", frame(again))
    with Mistique.open(disk / "store", f"sqlite:///{place}") as store:
        assert store.check(read_data=True).problems == ()
        for number in [0, *range(2, again + 1)]:
            got = store.get_intermediates(f"p.m{number}.x", strategy="read").to_pandas()
            pd.testing.assert_frame_equal(got, frame(number), check_exact=True)
