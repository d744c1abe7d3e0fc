"""What a cluster needs is asked for, and a start that fails half way leaves nothing running."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from mistique_core.cli.main import main
from mistique_core.errors import InvalidInputError, NotFoundError
from operators.cluster import cluster as module
from operators.cluster import postgres
from operators.cluster.broker import find_redis
from operators.cluster.cluster import Cluster, databases_of, delete_databases, running_cluster
from operators.cluster.databases import Databases, usual_server
from operators.cluster.layout import ClusterLayout, prepare
from operators.cluster.postgres import data_folder, server_program
from operators.cluster.processes import ClusterStartError, Processes, Program, kill_leftovers
from operators.demo.interrupts import Interrupts
from operators.demo.ports import answers, free_ports
from tests.child_process import child_process
from tests.cluster.requirements import need
from tests.cluster.running import ROOT, environment, is_alive, mistique, processes_in


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[ClusterLayout]:
    made = ClusterLayout(ROOT, ROOT / "dags", tmp_path / "state", free_ports(1)[0])
    made.create_folders()
    yield made
    kill_leftovers(made.ledger)
    delete_databases(made)


def names_in(databases: Databases) -> tuple[set[str], set[str]]:
    """Return which of a cluster's databases and roles the server has."""
    wanted = [databases.airflow, databases.catalogue]
    with databases.server.connect() as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", (wanted,)).fetchall()
        roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (wanted,)).fetchall()
    return {str(row[0]) for row in found}, {str(row[0]) for row in roles}


def may_connect(databases: Databases, name: str, password: str) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=databases.server.port, user=name, password=password, dbname=name).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.airflow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_leaves_nothing(layout: ClusterLayout, number: signal.Signals) -> None:
    need(redis=True, postgres=True)
    output = layout.state / "output"
    with (
        output.open("wb") as stream,
        child_process(
            mistique("cluster", "--state", str(layout.state), "--port", str(layout.port)),
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(),
        ) as command,
    ):
        deadline = time.monotonic() + 120
        started: list[psutil.Process] = []
        # Redis, S3, and what brings the database to its schema, whose log is there a little before itself.
        while len(started) < 3 or not (layout.logs / "database.log").exists():
            assert command.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
            started = psutil.Process(command.pid).children(recursive=True)
        command.send_signal(number)
        assert command.wait(60) == 0
    assert [process.pid for process in started if is_alive(process)] == []
    assert processes_in(layout.state) == []
    assert not layout.ledger.exists()


@pytest.mark.parametrize("own", [False, True])
def test_a_start_that_fails_half_way_leaves_nothing(
    layout: ClusterLayout, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    need(redis=True, postgres=not own, postgres_programs=own)
    layout = ClusterLayout(layout.project, layout.dags, layout.state, layout.port, own_postgres=own)
    broken = ("schema", (sys.executable, "-c", "raise SystemExit('cannot be migrated')"))
    monkeypatch.setattr(module, "INITIALISE", (broken,))
    told: list[str] = []
    with pytest.raises(ClusterStartError) as caught, running_cluster(layout, told.append):
        pytest.fail("it started")
    log = layout.logs / "schema.log"
    assert str(caught.value) == f"schema ended with status 1; its log is {log} (last line: cannot be migrated)"
    ports = [layout.ports.redis, layout.ports.s3, *([layout.ports.postgres] if own else [])]
    assert [port for port in ports if answers(port)] == []
    assert processes_in(layout.state) == []
    assert processes_in(data_folder(layout)) == []
    assert not layout.ledger.exists()
    assert any("Redis and S3 at ports" in line for line in told)


def test_a_server_of_its_own_has_passwords(layout: ClusterLayout) -> None:
    need(postgres_programs=True)
    layout.create_folders()
    databases = databases_of(layout, None)
    processes = Processes(layout.logs, layout.ledger, Interrupts())
    try:
        processes.start(server_program(layout))
        while not module._accepts(databases.server):
            processes.check()
        databases.create()
        assert names_in(databases) == ({"airflow", "mistique"}, {"airflow", "mistique"})
        assert may_connect(databases, "mistique", layout.secrets()["MISTIQUE_DB_PASSWORD"])
        assert not may_connect(databases, "mistique", layout.secrets()["POSTGRES_PASSWORD"])
        assert not may_connect(databases, "postgres", "postgres")
        databases.create()
        with psycopg.connect(databases.catalogue_url().replace("+psycopg", "")) as connection:
            row = connection.execute("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user")
            assert row.fetchone() == (False,)
        os.kill(processes.pid("postgres"), signal.SIGKILL)
        while "postgres" not in processes.ended():
            pass
        processes.restart("postgres")
        while not module._accepts(databases.server):
            processes.check()
        assert may_connect(databases, "mistique", layout.secrets()["MISTIQUE_DB_PASSWORD"])
    finally:
        processes.stop_all()
    assert not answers(layout.ports.postgres)
    assert stat.S_IMODE(data_folder(layout).stat().st_mode) == 0o700
    assert processes.log("postgres").read_text().count("was not properly shut down") == 1  # by the signal above
    postgres.delete_data(layout)
    assert not data_folder(layout).exists()


def test_databases_in_a_server_that_others_use(layout: ClusterLayout) -> None:
    need(postgres=True)
    server = usual_server()
    if server is None:
        pytest.skip("no PostgreSQL server answers at 127.0.0.1:5432 as a superuser")
    databases = databases_of(layout, server)
    assert names_in(databases) == (set(), set())
    databases.create()
    databases.create()
    both = {databases.airflow, databases.catalogue}
    assert names_in(databases) == (both, both)
    delete_databases(layout)
    assert names_in(databases) == (set(), set())


def test_secrets_are_made_once_and_are_for_the_owner_only(layout: ClusterLayout, tmp_path: Path) -> None:
    secrets = layout.secrets()
    assert secrets == layout.secrets()
    assert len(set(secrets.values())) == len(secrets) == 8
    assert all(len(value) >= 64 for name, value in secrets.items() if "JWT" in name)
    for name in ("secrets.json", "passwords.json"):
        assert stat.S_IMODE((layout.state / name).stat().st_mode) == 0o600
    other = ClusterLayout(ROOT, ROOT / "dags", tmp_path / "other", 8080)
    other.create_folders()
    assert not set(secrets.values()) & set(other.secrets().values())
    assert stat.S_IMODE(other.state.stat().st_mode) == 0o700
    shutil.rmtree(other.state)


def test_a_second_cluster_in_the_same_folder(layout: ClusterLayout) -> None:
    with (
        layout.locked(),
        pytest.raises(InvalidInputError, match=r"a cluster runs in .*/state; end it, or choose another folder"),
        running_cluster(layout, print),
    ):
        pytest.fail("it started")
    with layout.locked():
        pass


@pytest.mark.parametrize("workers", [0, -1, 17])
def test_a_number_of_workers_that_makes_no_sense(tmp_path: Path, workers: int) -> None:
    with pytest.raises(InvalidInputError, match=f"{workers} workers cannot be started; give a number from 1 to 16"):
        prepare(free_ports(1)[0], workers, str(tmp_path / "state"))
    assert not (tmp_path / "state").exists()


def test_a_folder_of_dags_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"the folder of DAGs .*/absent does not exist; leave --dags out"):
        prepare(free_ports(1)[0], 2, str(tmp_path / "state"), dags=str(tmp_path / "absent"))


def test_without_redis(layout: ClusterLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotFoundError, match="redis-server is not installed; on Debian: apt-get install redis-server"):
        find_redis()
    monkeypatch.setattr(module, "usual_server", lambda: None)
    with pytest.raises(NotFoundError, match="redis-server"), running_cluster(layout, print):
        pytest.fail("it started")


def test_without_postgresql(layout: ClusterLayout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    monkeypatch.setattr(postgres.shutil, "which", lambda _name: None)
    with pytest.raises(NotFoundError, match=r"no PostgreSQL server answers .* apt-get install postgresql"):
        server_program(layout)


def test_the_newest_postgresql_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version in ("9.6", "15", "13", "17beta"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    (tmp_path / "18" / "bin").mkdir(parents=True)
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    assert postgres.find_programs() == tmp_path / "15" / "bin"


def test_a_cluster_is_deleted(layout: ClusterLayout, capsys: pytest.CaptureFixture[str]) -> None:
    delete = ["cluster", "--delete", "--state", str(layout.state)]
    layout.secrets()
    server = usual_server()
    databases = databases_of(layout, server)
    if server is not None:
        databases.create()
    with layout.locked():
        assert main(delete) == 1
    assert "a cluster runs in" in capsys.readouterr().err
    assert main(delete) == 0
    assert not layout.state.exists()
    if server is not None:
        assert names_in(databases) == (set(), set())
    assert main(delete) == 1
    assert f"there is no cluster in {layout.state}" in capsys.readouterr().err
    layout.create_folders()


def test_what_ended_is_started_again(layout: ClusterLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usual_server", lambda: None)
    told: list[str] = []
    cluster = Cluster(layout, told.append, Interrupts())
    code = "import pathlib; pathlib.Path('runs').open('a').write('x'); raise SystemExit(7)"
    try:
        cluster.processes.start(Program("short", [sys.executable, "-c", code], layout.state, {}))
        runs = layout.state / "runs"
        while not runs.exists() or len(runs.read_text()) < 3:
            cluster.restart_ended()
    finally:
        cluster.stop()
    assert told[0].startswith("short ended with status 7 and is started again; its log is ")
