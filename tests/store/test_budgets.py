"""A budget is never exceeded, counted anew from the catalogue's rows after every step and at any instant."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from tests.store import slow_pipeline
from tests.store.slow_pipeline import COLUMNS, STAGES, log_pipeline, random_key

STEPS = 30
PROCESSES, QUERIES = 4, 25


def recount(connection: sa.Connection, project: str | None = None) -> int:
    """Return the bytes that what can be re-run takes: plain SQL and NumPy, nothing of the store's own code."""
    query = (
        "SELECT i.columns FROM intermediate i JOIN model_version v ON v.id = i.model_version_id"
        " JOIN model m ON m.id = v.model_id JOIN project p ON p.id = m.project_id WHERE i.rerun_equal"
    )
    if project is not None:
        query += f" AND p.name = '{project}'"
    versions: set[int] = set()
    for (packed,) in connection.exec_driver_sql(query).all():
        versions.update(np.frombuffer(bytes(packed)[1:], f"<u{bytes(packed)[0]}").tolist())
    chunks: dict[int, int] = {}
    for version in versions:
        rows = connection.exec_driver_sql(
            "SELECT c.id, c.stored_bytes, c.base_id FROM chunk c JOIN column_chunk l ON l.chunk_id = c.id"
            f" WHERE l.column_version_id = {version} OR l.column_version_id ="
            f" (SELECT categories_id FROM column_version WHERE id = {version})"
        ).all()
        for item, size, base in rows:
            chunks[item] = size
            if base is not None:
                chunks[base] = connection.exec_driver_sql(
                    f"SELECT stored_bytes FROM chunk WHERE id = {base}"
                ).scalar_one()
    return sum(chunks.values())


def held(store: Mistique, project: str | None = None) -> int:
    with store.catalogue.read() as connection:
        return recount(connection, project)


def column_bytes(store: Mistique) -> int:
    """Return what one column takes, encoded."""
    listed = store.intermediates("p", "m").set_index("intermediate")
    return int(listed.loc["waves0", "stored_bytes"]) // COLUMNS


@pytest.fixture
def store(catalogue_url: str, tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        with store.run("p", "m") as run:
            log_pipeline(run)
        yield store


def kept_columns(store: Mistique) -> set[str]:
    """Return the columns that are read, once garbage is collected: until then what was let go is still there."""
    store.gc(grace_seconds=0)
    keys = [f"p.m.waves{stage}.w{column}" for stage in range(STAGES) for column in range(COLUMNS)]
    return {key for key in keys if store.explain(key).read_seconds is not None}


def test_a_budget_is_kept_to_after_every_step(store: Mistique) -> None:
    limit = int(column_bytes(store) * 4.5)
    store.materialize("p", "m", policy={"policy": "budget", "bytes": limit})
    assert 0 < held(store) <= limit
    chance = random.Random(11)
    states = [kept_columns(store)]
    for step in range(STEPS):
        action = chance.randrange(12)
        if action == 0:
            store.gc(grace_seconds=0)
        elif action == 1:
            store.materialize("p", "m", policy={"policy": "budget", "bytes": limit})
        elif action == 2:
            store.compact()
        else:
            store.get_intermediates(random_key(chance)).to_pandas()
        assert held(store) <= limit, f"after step {step}, action {action}"
        states.append(kept_columns(store))
    assert any(before != after for before, after in pairwise(states)), "what is kept has changed"
    assert store.check(read_data=True).problems == ()


def test_what_is_asked_for_most_takes_the_place_of_what_is_asked_for_least(store: Mistique) -> None:
    limit = int(column_bytes(store) * 1.5)
    store.get_intermediates("p.m.waves1.w0", strategy="rerun")
    store.get_intermediates("p.m.waves1.w0", strategy="rerun")
    store.materialize("p", "m", policy={"policy": "budget", "bytes": limit})
    store.gc(grace_seconds=0)
    assert kept_columns(store) == {"p.m.waves1.w0"}
    foreseen = store.explain("p.m.waves2.w1").targets[0].kept_after
    assert foreseen is not None
    assert foreseen >= 2, "one query is not one and a half times two"
    due = False
    while not due:
        assert kept_columns(store) == {"p.m.waves1.w0"}
        due = store.explain("p.m.waves2.w1").targets[0].kept_after == 1
        store.get_intermediates("p.m.waves2.w1")
        assert held(store) <= limit
    assert kept_columns(store) == {"p.m.waves2.w1"}
    for _ in range(3):
        store.get_intermediates("p.m.waves1.w0")
        store.get_intermediates("p.m.waves2.w1")
        assert kept_columns(store) == {"p.m.waves2.w1"}, "it does not come back at once"


def test_the_store_has_one_budget_for_all_models(store: Mistique) -> None:
    with store.run("q", "m") as run:
        log_pipeline(run)
    with store.run("q", "other") as run:
        run.stage("source", slow_pipeline.FunctionStage(slow_pipeline.source, {}, deterministic=True))
        limit = int(column_bytes(store) * 2.5)
        store.get_intermediates("p.m.waves0.w1")
        report = store.materialize_all(policy={"policy": "budget", "bytes": limit})
        assert {name.split(".")[0] for name in report.let_go} == {"p", "q"}
        assert not any("other" in name for name in (*report.kept, *report.let_go)), "its run has not ended"
    assert 0 < held(store) <= limit
    for _ in range(4):
        for key in ("p.m.waves0.w0", "q.m.waves1.w1", "p.m.waves2.*", "q.m.waves3.w2"):
            store.get_intermediates(key)
            assert held(store) <= limit
    larger = int(column_bytes(store) * 5.5)
    store.materialize("p", "m", policy={"policy": "budget", "bytes": larger})
    assert held(store) <= limit, "the store's budget holds for a model whose own is larger"
    store.materialize_all(policy="dedup")
    store.gc(grace_seconds=0)
    for column in range(COLUMNS):
        store.get_intermediates(f"p.m.waves1.w{column}")
    assert limit < held(store, "p") <= larger, "the model's own is left"


def test_a_budget_is_kept_to_by_processes_that_keep_things_at_once(
    store: Mistique, catalogue_url: str, tmp_path: Path
) -> None:
    limit = int(column_bytes(store) * 4.5)
    store.materialize("p", "m", policy={"policy": "budget", "bytes": limit})
    before = kept_columns(store)
    arguments = [str(tmp_path / "store"), catalogue_url]
    root = Path(slow_pipeline.__file__).parents[2]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.store.slow_pipeline", *arguments, str(seed), str(QUERIES)],
            cwd=root,
            stderr=subprocess.PIPE,
        )
        for seed in range(PROCESSES)
    ]
    looks, most = 0, 0
    while any(worker.poll() is None for worker in workers):
        most = max(most, held(store))
        looks += 1
        assert most <= limit
        time.sleep(0.005)
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors.decode()
    assert looks > 10
    assert held(store) <= limit
    assert kept_columns(store) != before, "what was kept has changed meanwhile"
    with store.catalogue.read() as connection:
        total = connection.exec_driver_sql("SELECT SUM(n_query) FROM intermediate_use").scalar_one()
    assert total == PROCESSES * QUERIES, "every query of every process is counted"
    assert store.check(read_data=True).problems == ()
