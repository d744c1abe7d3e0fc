"""The demo says why it cannot start, and keeps its secrets to itself."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mistique_core.errors import InvalidInputError, NotFoundError
from operators.demo import environment as demo
from operators.demo.airflow_settings import HOST, USER, preload
from operators.demo.environment import prepare
from tests.airflow_home import ROOT


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def test_the_demo_is_prepared(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("MISTIQUE_CATALOGUE_URL", "postgresql://elsewhere/x")
    made = prepare(port, str(tmp_path / "state"))
    assert (made.project, made.dags, made.state) == (ROOT, ROOT / "dags", tmp_path / "state")
    variables = made.variables()
    assert variables["AIRFLOW_HOME"] == str(tmp_path / "state" / "airflow")
    assert variables["MISTIQUE_HOME"] == str(tmp_path / "state" / "store")
    assert variables["AIRFLOW__API__BASE_URL"] == f"http://127.0.0.1:{port}"
    assert "AIRFLOW__CORE__EXECUTOR" not in variables
    assert "MISTIQUE_CATALOGUE_URL" not in variables
    assert variables["PATH"].startswith(str(Path(sys.executable).parent))
    compile((made.airflow_home / "config" / "airflow_local_settings.py").read_text(), "settings", "exec")


def test_secrets_are_made_once_and_are_for_the_owner_only(tmp_path: Path, port: int) -> None:
    made = prepare(port, str(tmp_path))
    password, secret = made.password(), made.variables()["AIRFLOW__API_AUTH__JWT_SECRET"]
    assert len(password) >= 12
    assert len(secret) >= 64
    for name in ("passwords.json", "jwt-secret"):
        assert stat.S_IMODE((made.airflow_home / name).stat().st_mode) == 0o600
    again = prepare(port, str(tmp_path))
    assert (again.password(), again.variables()["AIRFLOW__API_AUTH__JWT_SECRET"]) == (password, secret)
    other = prepare(port, str(tmp_path / "other"))
    assert other.password() != password
    assert USER not in (password, secret)


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError) as caught:
            prepare(port, str(tmp_path / "state"))
    assert str(caught.value) == (
        f"port {port} cannot be used (Address already in use); end the program that uses it, or choose another: "
        f"make demo PORT={port + 1}"
    )
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("port", [0, -1, 65_536, 99_999])
def test_a_number_that_is_no_port(tmp_path: Path, port: int) -> None:
    with pytest.raises(InvalidInputError, match=f"port {port} is not a port; give a number from 1 to 65535"):
        prepare(port, str(tmp_path / "state"))
    assert not (tmp_path / "state").exists()


def test_outside_a_checkout(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "site-packages" / "operators" / "demo" / "environment.py"))
    with pytest.raises(NotFoundError, match=r"there are no DAGs in .*; run the demo from a checkout of the project"):
        prepare(port, str(tmp_path / "state"))


def test_without_airflow(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(NotFoundError, match=r"airflow does not exist; install 'mistique-airflow\[airflow,trad,ui\]'"):
        prepare(port, str(tmp_path / "state"))


def test_what_cannot_be_imported_beforehand_is_left_to_the_tasks(tmp_path: Path) -> None:
    """On a bare machine LightGBM lacks a library of the system; that ends no scheduler and no worker."""
    preload(tmp_path, "scheduler")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open shared object file')")
    (broken / "xgboost.py").write_text("raise ImportError('no such thing')")
    begin = "import sys; sys.argv = ['airflow', 'scheduler']; import airflow_local_settings"
    program = f"{begin}; print('skops.io' in sys.modules)"
    paths = os.pathsep.join([str(broken), str(tmp_path / "config"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"
    assert "lightgbm is not imported beforehand: libgomp.so.1" in done.stderr
    assert "xgboost is not imported beforehand" in done.stderr
