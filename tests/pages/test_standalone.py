"""``mistique ui``: the real command, its login, and what it refuses."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from tests.child_process import child_process


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standalone") / "store"
    with Mistique.open(folder) as opened:
        rows = pd.DataFrame({"price": [1.0, 2.0]}, index=pd.RangeIndex(2, name="row_id"))
        opened.log_frame("homes", "linear", "raw", rows)
    return folder


@pytest.fixture(scope="module")
def printed(store: Path) -> Iterator[str]:
    """The address that the command prints, while it serves."""
    script = Path(sys.executable).with_name("mistique")
    command = [script, "--store", store, "ui", "--port", "0", "--no-browser"]
    with child_process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            found = re.search(r"http://127\.0\.0\.1:\d+/login\?token=\S+", line)
            if found is not None:
                yield found[0]
                break
        else:
            pytest.fail(seen)
        process.terminate()
        process.wait(30)


def test_the_printed_address_logs_in(printed: str) -> None:
    root = printed.partition("/login")[0]
    with httpx.Client(timeout=60) as browser:
        assert browser.get(f"{root}/mistique/runs").status_code == 401
        answer = browser.get(printed)
        assert (answer.status_code, answer.headers["location"]) == (303, "/mistique/app/projects")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "linear" in browser.get(f"{root}/mistique/runs").text
        assert browser.get(f"{root}/mistique/app/projects").status_code == 200
        assert browser.get(f"{root}/").headers["location"] == "/mistique/app/projects"


def test_without_the_right_token_nothing_is_shown(printed: str) -> None:
    root = printed.partition("/login")[0]
    for path in ("/login?token=wrong", "/mistique/", "/mistique/app/projects", "/mistique/app/_dash-layout"):
        answer = httpx.get(f"{root}{path}", timeout=60)
        assert answer.status_code == 401, path
        assert "linear" not in answer.text
    assert httpx.get(f"{root}/mistique/runs", headers={"Authorization": "Bearer no"}, timeout=60).status_code == 401
    assert "mistique ui" in httpx.get(f"{root}/mistique/runs", timeout=60).json()["error"]


def test_a_port_that_is_taken_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--store", str(store), "ui", "--port", str(port), "--no-browser"]) != 0
    assert f"port {port} of 127.0.0.1 cannot be used" in capsys.readouterr().err


def test_a_store_that_does_not_exist_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(tmp_path / "none"), "ui", "--no-browser"]) != 0
    assert "there is no store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
