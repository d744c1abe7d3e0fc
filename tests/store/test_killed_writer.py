"""A writer that is killed at any moment loses only what it had not yet reported."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import MistiqueError
from tests.child_process import child_process

WRITER = """
import os, signal, sys, numpy as np, pandas as pd
from mistique_core import Mistique

def write(n):
    store = Mistique.open(sys.argv[1], block_rows=100)
    while True:
        frame = pd.DataFrame({"a": np.random.default_rng(n).normal(size=2000), "b": 1.0})
        store.log_frame("p", f"m{n}", "x", frame)
        os.write(1, f"{n}\\n".encode())
        n += 1

for line in sys.stdin:
    child = os.fork()
    if not child:
        write(int(line))
    os.write(1, f"pid {child}\\n".encode())
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    os.write(1, b"end\\n")
"""


def write_and_kill(nursery: subprocess.Popen[str], first: int, moment: threading.Event, seconds: float) -> list[int]:
    """Let a forked writer run, kill it ``seconds`` after its first report; return all that it reported."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{first}\n")
    nursery.stdin.flush()
    reported: list[int] = []
    pid = 0
    for line in nursery.stdout:
        if line.startswith("pid"):
            pid = int(line.split()[1])
        elif line.startswith("end"):
            break
        else:
            reported.append(int(line))
        if pid and len(reported) == 1:
            moment.wait(seconds)
            os.kill(pid, signal.SIGKILL)
    return reported


def test_what_was_reported_survives(tmp_path: Path) -> None:
    """After each kill the store opens, holds every reported frame whole, and takes new ones."""
    chance = random.Random(9)
    reported: list[int] = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with child_process([sys.executable, "-c", WRITER, str(tmp_path)], **pipes) as nursery:
        for round_number in range(6):
            first = round_number * 1000
            reported += write_and_kill(nursery, first, threading.Event(), chance.uniform(0.0, 0.3))
        assert nursery.stdin is not None
        nursery.stdin.close()
    assert len(reported) >= 6
    with Mistique.open(tmp_path) as store:
        for n in reported:
            answer = store.get_intermediates(f"p.m{n}.x.a", strategy="read").values
            assert np.array_equal(answer, np.random.default_rng(n).normal(size=2000))
        for name in store.intermediates()["model"]:
            assert len(store.get_intermediates(f"p.{name}@1.x", strategy="read").frame) == 2000
    plain = sqlite3.connect(tmp_path / "catalogue.db")
    assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    names = {name for (name,) in plain.execute("SELECT name FROM partition")}
    plain.close()
    assert names <= {path.name for path in (tmp_path / "partitions").rglob("*.h5")}


def test_a_catalogue_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The bytes are durable, the rows are refused: nothing is visible; then the same call succeeds."""
    table = "layout"
    with Mistique.open(tmp_path) as store:
        data = pd.DataFrame({"a": np.arange(50.0)})
        store.log_frame("p", "m", "x", data)
        plain = sqlite3.connect(tmp_path / "catalogue.db", isolation_level=None)
        before = plain.execute("SELECT count(*) FROM chunk").fetchall()
        plain.execute(f"ALTER TABLE {table} RENAME TO away")
        with pytest.raises(MistiqueError, match="cannot be used") as caught:
            store.log_frame("p", "m", "y", data * 2)
        assert "\n" not in str(caught.value)
        plain.execute(f"ALTER TABLE away RENAME TO {table}")
        assert plain.execute("SELECT count(*) FROM chunk").fetchall() == before
        assert plain.execute("SELECT count(*) FROM intermediate WHERE name = 'y'").fetchone() == (0,)
        plain.close()
        store.log_frame("p", "m", "y", data * 2)
        assert np.array_equal(store.get_intermediates("p.m.y.a").values, data["a"] * 2)
