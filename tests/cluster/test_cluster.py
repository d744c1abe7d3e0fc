"""The example pipelines on a cluster: PostgreSQL, S3, Redis, and two Celery workers."""

from __future__ import annotations

import json
import signal
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from mistique_core import Mistique
from mistique_core.modeldb.runs import find_run
from operators.demo.ports import answers
from tests.cluster.conftest import CANCER, ROWS, ZILLOW
from tests.cluster.running import ROOT, RunningCluster, is_alive, processes_in
from tests.integration.expected import expected

pytestmark = pytest.mark.airflow

WORKERS = {"worker-1", "worker-2"}
RESTART_SECONDS = 60


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """Return where processes listen, as the kernel says."""
    found: set[tuple[str, int]] = set()
    for process in processes:
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add((connection.laddr.ip, connection.laddr.port))
    return found


@pytest.mark.parametrize("model", [dag_id.removeprefix("cancer_") for dag_id in CANCER])
def test_every_intermediate_equals_plain_scikit_learn(ended: RunningCluster, model: str) -> None:
    frames = expected(model).frames
    with ended.store() as store:
        assert set(store.intermediates("cancer", model)["intermediate"]) == set(frames)
        for name, frame in frames.items():
            stored = store.get_intermediates(f"cancer.{model}@1.{name}", strategy="read").to_pandas()
            pd.testing.assert_frame_equal(stored[list(frame.columns)], frame, check_exact=True, check_names=False)


def test_every_intermediate_equals_a_stand_alone_store(ended: RunningCluster, tmp_path: Path) -> None:
    model = ZILLOW.removeprefix("zillow_")
    with Mistique.open(tmp_path / "store") as alone, ended.store() as store:
        path = ROOT / "dags" / "zillow" / "p1.yaml"
        alone.log_intermediates(path, variation="v1", parameters={"rows": ROWS}, progress=False)
        names = sorted(alone.intermediates("zillow", model)["intermediate"])
        assert sorted(store.intermediates("zillow", model)["intermediate"]) == names
        for name in names:
            key = f"zillow.{model}.{name}"
            frames = [each.get_intermediates(key, strategy="read").to_pandas() for each in (store, alone)]
            pd.testing.assert_frame_equal(*frames, check_exact=True, obj=name)


def test_the_store_is_sound_and_in_object_storage(ended: RunningCluster) -> None:
    with ended.store() as store:
        assert store.config.location == "s3://mistique/store"
        assert store.config.catalogue_url.startswith("postgresql+psycopg://")
        report = store.check(read_data=True)
    assert report.problems == ()
    assert report.is_complete
    kept = [file for file in ended.layout.objects.iterdir() if file.name.endswith(".h5")]
    assert len(kept) == report.partitions


def test_both_workers_ran_tasks(ended: RunningCluster) -> None:
    tasks = [task for dag_id in ended.runs for task in ended.tasks(dag_id)]
    assert {task["state"] for task in tasks} == {"success"}
    hosts = Counter(task["hostname"] for task in tasks)
    assert set(hosts) == WORKERS
    assert {task["queue"] for task in tasks} == {"default"}
    assert [task["executor"] for task in tasks] == [None] * len(tasks)


def test_the_scheduler_recorded_the_runs(ended: RunningCluster) -> None:
    assert ended.client is not None
    with ended.store() as store, store.catalogue.read() as connection:
        for dag_id in (*CANCER, ZILLOW):
            recorded = find_run(connection, dag_id, ended.runs[dag_id]).run
            real = ended.client.get(f"/dags/{dag_id}/dagRuns/{ended.runs[dag_id]}")
            assert recorded.state == real["state"] == "success"
            assert recorded.ended_at == pytest.approx(pd.Timestamp(real["end_date"]).timestamp(), abs=0.01)


def test_the_log_of_a_task_is_shown_whichever_worker_ran_it(ended: RunningCluster) -> None:
    assert ended.client is not None
    tasks = {task["hostname"]: (dag_id, task["task_id"]) for dag_id in CANCER for task in ended.tasks(dag_id)}
    assert set(tasks) == WORKERS
    for dag_id, task_id in tasks.values():
        (file,) = ended.layout.task_logs.glob(f"dag_id={dag_id}/run_id=*/task_id={task_id}/attempt=1.log")
        written = [json.loads(line)["event"] for line in file.read_text().splitlines()]
        shown = ended.client.task_messages(dag_id, ended.runs[dag_id], task_id)
        assert written
        assert set(written) <= set(shown)


def test_everything_is_on_the_loopback_interface(ended: RunningCluster) -> None:
    processes = [psutil.Process(ended.command.pid), *ended.started().values()]
    places = listening(processes)
    ports = {ended.layout.port, chosen_ports(ended)["s3"], chosen_ports(ended)["redis"]}
    assert ports <= {port for _, port in places}
    assert {address for address, _ in places} == {"127.0.0.1"}


def chosen_ports(cluster: RunningCluster) -> dict[str, int]:
    """Return the ports of Redis and S3, which the command chose."""
    (redis,) = listening([cluster.process("redis")])
    (s3,) = listening([cluster.process("s3")])
    return {"redis": redis[1], "s3": s3[1]}


def test_each_worker_has_a_folder_of_its_own(ended: RunningCluster) -> None:
    for name in WORKERS:
        folder = ended.layout.folder(name)
        worker = ended.process(name)
        children = worker.children(recursive=True)
        assert len(children) >= 2
        assert {process.cwd() for process in (worker, *children)} == {str(folder)}
        assert (folder / "airflow.cfg").exists()
        assert (folder / "tmp").is_dir()


def test_secrets_are_in_no_log_and_no_command_line(ended: RunningCluster) -> None:
    state = ended.layout.state
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for name in ("secrets.json", "passwords.json", "environment", "redis/redis.conf"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600
    secrets = json.loads((state / "secrets.json").read_text()).values()
    assert all(len(secret) >= 12 for secret in secrets)
    written = [file for folder in (ended.layout.logs, ended.layout.task_logs) for file in folder.rglob("*.log")]
    assert len(written) > 20
    for file in written:
        text = file.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], file
    lines = [" ".join(process.cmdline()) for process in ended.started().values()]
    assert not [line for line in lines for secret in secrets if secret in line]


def test_a_question_is_answered_after_the_s3_server_was_killed(ended: RunningCluster) -> None:
    killed = ended.process("s3")
    killed.send_signal(signal.SIGKILL)
    ended.wait_until(lambda: f"s3 ended with status {-signal.SIGKILL}" in ended.output.read_text(), 30, "told")
    ended.wait_until(
        lambda: any(process.net_connections() for process in ended.leaders("s3")), RESTART_SECONDS, "s3 was back"
    )
    columns = ("mean radius", "target")
    keys = [f"cancer.logistic_regression.scaled_train.{column}" for column in columns]
    request: dict[str, Any] = {"technique": "pointq", "keys": keys, "row_id": [7, 14]}
    assert ended.run({"mistique_query": request}) == {"mistique_query": "success"}
    assert ended.client is not None
    answer = ended.client.task_result("mistique_query", ended.runs["mistique_query"], "answer")
    wanted = expected("logistic_regression").frames["scaled_train"].loc[[7, 14], list(columns)]
    found = pd.DataFrame(answer["rows"], columns=answer["columns"]).set_index("row_id")
    assert found.to_numpy().tolist() == wanted.to_numpy().tolist()


def test_a_stop_leaves_nothing_running_although_processes_have_died(ended: RunningCluster) -> None:
    """Last in this file: the cluster is gone after it."""
    started = ended.started()
    ports = {port for _, port in listening(list(started.values()))}
    orphans = ended.process("worker-2").children(recursive=True)
    assert orphans
    for name in ("worker-2", "triggerer"):
        ended.process(name).send_signal(signal.SIGKILL)
    assert ended.stop() == 0, ended.output.read_text()
    assert [process.pid for process in [*started.values(), *orphans] if is_alive(process)] == []
    assert [port for port in ports if answers(port)] == []
    assert processes_in(ended.layout.state) == []
    assert not ended.layout.environment_file.exists()
    assert not ended.layout.ledger.exists()
