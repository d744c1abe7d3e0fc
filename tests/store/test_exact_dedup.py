"""Exact deduplication: a value is stored once, whoever logs it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique

ROWS = 500
RANDOM = np.random.default_rng(2)
FRAME = pd.DataFrame(RANDOM.normal(size=(ROWS, 6)), columns=list("abcdef"))


def partition_bytes(home: Path) -> int:
    """Return the bytes of all partition files, as the disk says."""
    return sum(path.stat().st_size for path in (home / "partitions").rglob("*.h5"))


@pytest.mark.usefixtures("exact_dedup")
def test_the_same_column_elsewhere_adds_nothing(tmp_path: Path) -> None:
    """Another name, another model, another project."""
    with Mistique.open(tmp_path, block_rows=64) as store:
        store.log_frame("p", "m", "x", FRAME)
        before = partition_bytes(tmp_path)
        assert before >= FRAME.to_numpy().nbytes
        renamed = FRAME.rename(columns=str.upper)[["C", "A"]]
        for project, model, name in (("p", "m", "y"), ("p", "n", "x"), ("q", "m", "z")):
            report = store.log_frame(project, model, name, renamed)
            assert (report.stored_bytes, report.new_columns) == (0, 0)
        assert partition_bytes(tmp_path) == before
        pd.testing.assert_frame_equal(store.get_intermediates("q.m.z").frame, renamed.rename_axis("row_id"))


def test_a_changed_column_adds_only_its_own(tmp_path: Path) -> None:
    """And of that column only the row blocks that changed."""
    with Mistique.open(tmp_path, block_rows=50) as store:
        store.log_frame("p", "m", "x", FRAME)
        changed = FRAME.assign(c=-FRAME["c"])
        report = store.log_frame("p", "m", "y", changed)
        assert report.new_columns == 1
        frames = 10  # each block's frame has a header and a checksum, and random numbers do not shrink
        assert 0 < report.stored_bytes <= changed["c"].nbytes + 16 * frames
        once = FRAME.copy()
        once.loc[120, "d"] = 0.0
        report = store.log_frame("p", "m", "z", once)
        assert report.new_columns == 1
        assert 0 < report.stored_bytes <= 50 * FRAME["d"].dtype.itemsize + 16
        assert report.logical_bytes == once.to_numpy().nbytes + 8 * ROWS
        for name, frame in (("x", FRAME), ("y", changed), ("z", once)):
            pd.testing.assert_frame_equal(store.get_intermediates(f"p.m.{name}").frame, frame.rename_axis("row_id"))


WRITER = """
import sys, numpy as np, pandas as pd
from mistique_core import Mistique
with Mistique.open(sys.argv[1], block_rows=50) as store:
    sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
    for n in range(4):
        store.log_frame("p", sys.argv[2], f"x{n}", pd.DataFrame({"a": np.arange(400.0) + n, sys.argv[2]: float(n)}))
"""


def test_two_processes_store_the_same_chunks_at_once(tmp_path: Path) -> None:
    """Both succeed, and each chunk is referenced once."""
    Mistique.open(tmp_path).close()
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, name], **pipes) for name in ("m", "n")]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers] == [("", 0)] * 2
    with Mistique.open(tmp_path) as store:
        for model in ("m", "n"):
            for n in range(4):
                assert np.array_equal(store.get_intermediates(f"p.{model}.x{n}.a").values, np.arange(400.0) + n)
    plain = sqlite3.connect(tmp_path / "catalogue.db")
    total, distinct = plain.execute("SELECT count(*), count(DISTINCT address) FROM chunk").fetchone()
    plain.close()
    assert total == distinct
