"""What Airflow forgets or is made to forget: the store keeps what was logged, and gc finds what was not."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import psycopg
import pytest

from mistique_core.modeldb.runs import find_run
from tests.cluster_faults.mending import DAG_ID, PROJECT, MendedCluster, keep

pytestmark = pytest.mark.airflow

TABLES = "dag_run,task_instance,task_instance_history,xcom,log"
"""Of those that ``airflow db clean`` knows, the ones about runs: the others say which processes live."""


def delete(mended: MendedCluster, path: str) -> None:
    address = f"{mended.cluster.layout.url}/api/v2{path}"
    headers = {"Authorization": f"Bearer {mended.client.token}"}
    httpx.delete(address, headers=headers, timeout=90).raise_for_status()


def run_path(mended: MendedCluster, model: str) -> str:
    return f"/dags/{DAG_ID}/dagRuns/{quote(mended.runs[model], safe='')}"


def test_cleared_xcoms_before_the_stages_that_take_them(mended: MendedCluster) -> None:
    """The references are gone, so that later tasks fail; clearing the first task brings everything, stored once."""
    mended.trigger("xcoms", seed=31)
    mended.finish("xcoms")
    with mended.store() as store:
        before = store.stats().partition_bytes
    for task_id in ("numbers", "waits"):
        delete(mended, f"{run_path(mended, 'xcoms')}/taskInstances/{task_id}/xcomEntries/return_value")
    body = {"dag_run_id": mended.runs["xcoms"], "task_ids": ["numbers"], "dry_run": False, "only_failed": False}
    mended.client.post(f"/dags/{DAG_ID}/clearTaskInstances", {**body, "include_downstream": True})
    mended.wait_until(lambda: mended.tries("xcoms").get("times[3]") == 2, "a second try of the last task")
    mended.finish("xcoms")
    left = mended.check_intact("xcoms", seed=31)
    with mended.store() as store:
        assert store.stats().partition_bytes == before
    keep("XComs deleted, tasks cleared", left)


def test_a_cleaned_database_and_a_deleted_dag(mended: MendedCluster) -> None:
    mended.trigger("cleaned", seed=32)
    mended.finish("cleaned")
    before = mended.recorded("cleaned")
    options = ["--clean-before-timestamp", "2100-01-01", "--skip-archive", "--yes", "--tables", TABLES]
    mended.command("airflow", "db", "clean", *options)
    assert mended.state("cleaned") == "unknown"
    delete(mended, f"/dags/{DAG_ID}")
    mended.client.wait_for_dags([DAG_ID], seconds=240)  # its file is still there
    assert "updated" in mended.command("mistique", "reconcile")
    assert mended.recorded("cleaned") == before
    left = mended.check_stored({"cleaned": (32, 2_000)})
    mended.trigger("cleaned_again", seed=32)
    mended.finish("cleaned_again")
    detail = mended.recorded("cleaned_again")
    (source,) = [stage for stage in detail.stages if stage.name == "numbers"]
    assert source.is_reused  # by what the store knows, not by what Airflow does
    assert str(source.origin.label) == f"{PROJECT}.cleaned@1.numbers"
    keep("airflow db clean, and the DAG deleted", left)


def test_a_run_that_is_deleted_while_a_stage_is_under_way(mended: MendedCluster) -> None:
    marks = mended.trigger("deleted", seed=33, pause=600)
    mended.wait_until(lambda: list(marks.iterdir()), "the second stage")
    address = mended.cluster.databases.airflow_url().replace("+psycopg2", "")
    with psycopg.connect(address) as connection:  # by hand, because Airflow's API refuses it
        connection.execute("DELETE FROM dag_run WHERE run_id = %s", (mended.runs["deleted"],))
    mended.wait_until(lambda: "0 runs updated" not in mended.command("mistique", "reconcile"), "an end")
    detail = mended.recorded("deleted")
    assert (detail.run.state, detail.run.error) == (
        "failed",
        "the DAG run was deleted from Airflow before its end was recorded",
    )
    assert {stage.name: stage.state for stage in detail.stages} == {"numbers": "success", "waits": "failed"}
    left = mended.check_stored({})
    with mended.store() as store:
        store.delete(PROJECT, "deleted")
        removed = store.gc(grace_seconds=0)
        assert removed.chunks > 0
        assert store.check(read_data=True).problems == ()
        with store.catalogue.read() as connection:
            assert find_run(connection, DAG_ID, mended.runs["deleted"]) is not None
    keep("a DAG run deleted while a stage is under way", left)
