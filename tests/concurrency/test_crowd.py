"""Eight writers, four readers, a collection and a compaction at once: no lost commit, no deadlock, no failed read."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.open_writes import open_writes
from mistique_core.catalogue.tables import chunk, column_version, partition
from mistique_core.maintenance import collect_garbage
from tests.child_process import child_process
from tests.concurrency.crowd import PLAN, Manifest, frame

ROOT = Path(__file__).parents[2]
SECONDS = 8.0
STUCK_SECONDS = 150.0


def run_crowd(location: Path, url: str, folder: Path) -> list[dict[str, object]]:
    """Let all processes work; return their reports. Stacks are printed of those that do not end."""
    script = "from tests.concurrency.crowd import serve; serve()"
    command = [sys.executable, "-c", script, str(location), url, str(folder), str(SECONDS)]
    with child_process(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as crowd:
        try:
            said, _ = crowd.communicate(timeout=STUCK_SECONDS)
        except subprocess.TimeoutExpired as error:
            children = [int(line) for line in bytes(error.stdout or b"").split()]
            for number in (signal.SIGUSR1, signal.SIGKILL):
                for child in children:
                    os.kill(child, number)
                time.sleep(0.5)
            stacks = [path.read_text() for path in sorted(folder.glob("stack-*"))]
            pytest.fail(f"{len(children)} processes did not end in time:\n" + "\n\n".join(stacks))
    assert crowd.returncode == 0
    reports = [json.loads((folder / f"report-{child}.json").read_text()) for child in said.split()]
    assert [report["error"] for report in reports if report["error"]] == []
    return reports


def test_everybody_at_once(catalogue_url: str, memory_path: Path) -> None:
    location, folder = memory_path / "store", memory_path / "crowd"
    folder.mkdir()
    Mistique.open(location, catalogue_url).close()
    reports = run_crowd(location, catalogue_url, folder)
    done = Counter[str]()
    for report in reports:
        done[str(report["role"])] += int(str(report["done"]))
    assert Counter(report["role"] for report in reports) == dict(PLAN)
    assert all(done[role] > 0 for role, _ in PLAN), done
    committed = Manifest(folder / "manifest").committed()
    with Mistique.open(location, catalogue_url) as store:
        report = store.check(read_data=True)
        assert report.is_clean, report.problems
        assert sorted(store.intermediates()["model"]) == sorted(committed)
        for model, seed in committed.items():
            assert store.get_intermediates(f"p.{model}.x", strategy="read").frame.equals(frame(seed)), model
        with store.catalogue.read() as connection:
            assert open_writes(connection) == []
        store.delete("p")
        collect_garbage(store.catalogue, store.backend, now=time.time() + 100, grace_seconds=0)
        assert list(store.backend.files()) == []
        with store.catalogue.read() as connection:
            for table in (partition, chunk, column_version):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
