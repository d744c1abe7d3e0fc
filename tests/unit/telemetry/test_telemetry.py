"""What the store does is told: as a line with fields, and to whoever subscribes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique, telemetry
from mistique_core.telemetry import Activity
from mistique_core.workflows import FunctionStage


@pytest.fixture
def told() -> Iterator[list[Activity]]:
    """What is told while the test runs."""
    found: list[Activity] = []
    telemetry.subscribe(found.append)
    yield found
    telemetry.unsubscribe(found.append)


def numbers() -> pd.DataFrame:
    return pd.DataFrame({"x": np.random.default_rng(0).normal(size=3_000)})


def doubled(data: pd.DataFrame) -> pd.DataFrame:
    return data * 2


def log_run(store: Mistique) -> None:
    with store.run("p", "m") as run:
        first = run.stage("numbers", FunctionStage(numbers, {}, deterministic=True)).outputs[""]
        run.stage("doubled", *FunctionStage.bind(doubled, [first], {}))


def named(told: list[Activity], name: str) -> list[dict[str, object]]:
    return [dict(activity.fields) for activity in told if activity.name == name]


def test_stages_say_what_they_logged_and_added(tmp_path: Path, told: list[Activity]) -> None:
    with Mistique.open(tmp_path / "store") as store:
        log_run(store)
        stored = int(store.intermediates("p", "m")["stored_bytes"].sum())
        log_run(store)
    stages = named(told, "stage")
    assert [(item["stage"], item["outcome"]) for item in stages] == [
        ("numbers", "executed"),
        ("doubled", "executed"),
        ("numbers", "reused"),
        ("doubled", "reused"),
    ]
    assert [item["logical_bytes"] for item in stages] == [48_000] * 4  # of values and row ids
    assert sum(int(str(item["stored_bytes"])) for item in stages[:2]) == stored > 0
    assert [item["stored_bytes"] for item in stages[2:]] == [0, 0]


def test_queries_say_how_they_were_answered_and_how_far_off_the_estimate_was(
    tmp_path: Path, told: list[Activity]
) -> None:
    with Mistique.open(tmp_path / "store") as store:
        log_run(store)
        read = store.get_intermediates("p.m.doubled.x", strategy="read").plan
        again = store.get_intermediates("p.m.doubled.x", strategy="read").plan
        rerun = store.get_intermediates("p.m.doubled.x", strategy="rerun").plan
    queries = named(told, "query")
    assert [item["strategy"] for item in queries] == ["read", "read", "rerun"]
    for item, plan in zip(queries, (read, again, rerun), strict=True):
        estimated = plan.read_seconds if plan.strategy == "read" else plan.rerun_seconds
        assert plan.measured_seconds is not None
        assert estimated is not None
        assert (item["seconds"], item["estimated_seconds"]) == (plan.measured_seconds, estimated)
        assert item["estimate_ratio"] == pytest.approx(plan.measured_seconds / estimated)
    assert read.fetched is not None
    assert (queries[0]["chunks"], queries[0]["fetched_bytes"]) == read.fetched[:2]
    assert [item["is_from_memory"] for item in queries] == [False, True, False]


def test_maintenance_says_what_it_removed(tmp_path: Path, told: list[Activity]) -> None:
    with Mistique.open(tmp_path / "store") as store:
        log_run(store)
        store.delete("p", "m", force=True)
        store.gc(grace_seconds=0, dry_run=True)
        report = store.gc(grace_seconds=0)
        store.compact(dry_run=True)
        store.compact()
    (collected,), (compacted,) = named(told, "gc"), named(told, "compact")
    assert collected["deleted_bytes"] == report.deleted_bytes > 0
    assert (collected["chunks"], collected["deleted_files"]) == (report.chunks, len(report.deleted_files))
    assert compacted == {"removed_bytes": 0, "written_bytes": 0, "moved_chunks": 0, "problems": 0}


def test_a_line_has_the_fields_as_text_and_as_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mistique_core.telemetry"):
        telemetry.report("query", strategy="read", seconds=0.012345678, chunks=3, why="a b", unknown=None)
    (record,) = caplog.records
    assert record.getMessage() == "query strategy=read seconds=0.0123457 chunks=3 why='a b'"
    assert record.mistique == {  # type: ignore[attr-defined]
        "activity": "query",
        "strategy": "read",
        "seconds": 0.012345678,
        "chunks": 3,
        "why": "a b",
    }


def test_a_subscriber_that_fails_changes_nothing(told: list[Activity], caplog: pytest.LogCaptureFixture) -> None:
    def fail(activity: Activity) -> None:
        raise OSError(f"no route for {activity.name}")

    telemetry.subscribe(fail)
    telemetry.subscribe(fail)
    try:
        telemetry.report("gc", chunks=1)
    finally:
        telemetry.unsubscribe(fail)
    telemetry.report("gc", chunks=2)
    assert [item["chunks"] for item in named(told, "gc")] == [1, 2]
    assert caplog.text.count("no route for gc") == 1
