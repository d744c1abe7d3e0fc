"""Whatever process dies while a run writes, the run succeeds, once, with the values of a run without faults."""

from __future__ import annotations

import time

import pytest

from tests.cluster_faults.mending import MendedCluster, keep

pytestmark = pytest.mark.airflow

LONG = 600.0
"""Pause of a stage that never ends by itself while a test looks."""
ROWS = 40_000
"""So that each mapped task writes 3 MB."""


def test_a_worker_in_the_middle_of_a_stage(mended: MendedCluster) -> None:
    marks = mended.trigger("worker", seed=1, pause=LONG)
    mended.wait_until(lambda: list(marks.iterdir()), "the second stage")
    began = time.monotonic()
    for name in mended.cluster.layout.worker_names():  # one of them has the task
        mended.kill(name)
    mended.finish("worker")
    left = mended.check_intact("worker", seed=1)
    assert mended.tries("worker")["waits[-1]"] >= 2
    assert len(list(marks.iterdir())) >= 2
    keep("worker killed in the middle of a stage", {"seconds": time.monotonic() - began, **left})


@pytest.mark.parametrize(
    ("name", "seed", "pause"), [("scheduler", 2, 10), ("api-server", 3, 5)], ids=["scheduler", "api-server"]
)
def test_what_tells_tasks_to_run_and_what_they_report_to(
    mended: MendedCluster, name: str, seed: int, pause: float
) -> None:
    model = name.replace("-", "_")
    marks = mended.trigger(model, seed=seed, pause=pause)
    mended.wait_until(lambda: list(marks.iterdir()), "the second stage")
    began = time.monotonic()
    mended.kill(name)
    mended.finish(model)
    left = mended.check_intact(model, seed=seed)
    keep(f"{name} killed", {"seconds": time.monotonic() - began, **left})


@pytest.mark.parametrize("server", ["postgres", "s3", "redis"])
def test_a_server_during_writes(mended: MendedCluster, server: str) -> None:
    """Three times, while stages write and commit."""
    model, seed = f"{server}_writes", {"postgres": 4, "s3": 5, "redis": 6}[server]
    marks = mended.trigger(model, seed=seed, rows=ROWS)
    began = time.monotonic()
    for _ in range(3):
        mended.wait_until(lambda: list(marks.iterdir()) or mended.state(model) == "success", "the second stage")
        mended.kill(server)
        time.sleep(3)
    mended.finish(model)
    left = mended.check_intact(model, seed=seed, rows=ROWS)
    name = {"postgres": "PostgreSQL", "s3": "S3 server", "redis": "Redis"}[server]
    keep(f"{name} killed three times during writes", {"seconds": time.monotonic() - began, **left})


def test_a_second_scheduler_goes_on(mended: MendedCluster) -> None:
    """Two schedulers record a run once, and one goes on alone."""
    mended.start_second_scheduler()
    try:
        for place, model in enumerate(("two_a", "two_b", "two_c")):
            mended.trigger(model, seed=7 + place)
        for model in ("two_a", "two_b", "two_c"):
            mended.finish(model)  # all of them, before it is checked that no write is open any more
        for place, model in enumerate(("two_a", "two_b", "two_c")):
            left = mended.check_intact(model, seed=7 + place)
        marks = mended.trigger("two_then_one", seed=10, pause=5)
        mended.wait_until(lambda: list(marks.iterdir()), "the second stage")
        began = time.monotonic()
        mended.kill("scheduler")
        mended.finish("two_then_one")
        left = mended.check_intact("two_then_one", seed=10)
        keep("one of two schedulers killed", {"seconds": time.monotonic() - began, **left})
    finally:
        mended.stop_second_scheduler()
