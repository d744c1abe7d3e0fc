"""What the doctor finds in stores that are well, and in stores that are not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.config import StoreConfig
from mistique_core.storage import STORE_ID
from mistique_core.store.doctor import Finding, examine
from tests.security.test_read_only import allow_reading, reader_url  # noqa: F401
from tests.unit.storage.fault_proxy import fault_proxy

Capture = pytest.CaptureFixture[str]
FRAME = pd.DataFrame({"a": [1.5, 2.5, None]})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Mistique.open(tmp_path / "store") as store:
        store.log_frame("p", "m", "x", FRAME)
    return tmp_path / "store"


def _found(home: Path | str, capsys: Capture, *options: str, status: int = 0) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    assert main(["--store", str(home), "doctor", "--json", *options]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["problems"] == sum(item["state"] == "problem" for item in document["findings"])
    assert all(item["remedy"] for item in document["findings"] if item["state"] != "ok")
    return {item["check"]: item for item in document["findings"]}


def _everything(home: Path) -> dict[str, Any]:
    """Return the files of a store; of the catalogue its rows, since reading moves them from its log to its file."""
    files = [path for path in home.rglob("*") if path.is_file() and not path.name.startswith("catalogue.db")]
    with sqlite3.connect(home / "catalogue.db") as connection:
        rows = list(connection.iterdump())
    return {"rows": rows, **{str(path.relative_to(home)): path.read_bytes() for path in files}}


def test_a_store_that_is_well(home: Path, capsys: Capture) -> None:
    """Every question is answered, and nothing is left behind."""
    before = _everything(home)
    found = _found(home, capsys)
    assert list(found) == [
        "versions",
        "kernels",
        "catalogue",
        "schema",
        "catalogue, reading",
        "catalogue, writing",
        "storage",
        "storage, reading",
        "storage, writing",
        "clock of the storage",
        "room for the store",
        *(["spark"] if find_spec("pyspark") else []),
    ]
    of_the_host = ("kernels", "room for the store", "spark")
    assert {item["state"] for name, item in found.items() if name not in of_the_host} == {"ok"}
    assert found["catalogue, reading"]["what"].endswith("it knows 1 partitions")
    assert pd.__version__ in found["versions"]["what"]
    assert _everything(home) == before
    capsys.readouterr()
    assert main(["--store", str(home), "doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no problems"


def test_no_store_is_not_created(tmp_path: Path, capsys: Capture) -> None:
    """Two findings, each with what to do; the folder does not appear."""
    found = _found(tmp_path / "none", capsys, status=1)
    assert found["catalogue"]["state"] == found["storage"]["state"] == "problem"
    assert "--store FOLDER" in found["catalogue"]["remedy"]
    assert not (tmp_path / "none").exists()
    assert main(["--store", str(tmp_path / "none"), "doctor"]) == 1
    out = capsys.readouterr().out
    assert "         -> give --store FOLDER of a store, or run a pipeline first" in out
    assert out.splitlines()[-1] == "2 problems"


@pytest.mark.parametrize(("number", "state"), [("0007", "note"), ("9999", "problem")])
def test_another_schema(home: Path, capsys: Capture, number: str, state: str) -> None:
    """An older one would be upgraded, which is left to who opens the store; a newer one cannot be read."""
    with sqlite3.connect(home / "catalogue.db") as connection:
        connection.execute("UPDATE mistique_schema SET version_num = ?", (number,))
    found = _found(home, capsys, status=int(state == "problem"))
    assert found["schema"]["state"] == state
    assert number in found["schema"]["what"]
    with sqlite3.connect(home / "catalogue.db") as connection:
        assert connection.execute("SELECT version_num FROM mistique_schema").fetchall() == [(number,)]


def test_what_is_missing_or_belongs_elsewhere(home: Path, tmp_path: Path, capsys: Capture) -> None:
    """A partition that is gone, a document of another store, a catalogue that is none, settings that are none."""
    for path in (home / "partitions").rglob("*.h5"):
        path.rename(tmp_path / path.name)
    gone = _found(home, capsys, status=1)["storage, reading"]
    assert gone["state"] == "problem"
    assert "mistique check" in gone["remedy"]
    with Mistique.open(tmp_path / "other"):
        pass
    shutil.copy(tmp_path / "other" / STORE_ID, home / STORE_ID)
    assert "is that of store" in _found(home, capsys, status=1)["one store"]["what"]
    (home / "catalogue.db").write_bytes(b"no database" * 1_000)
    broken = _found(home, capsys, status=1)
    assert broken["catalogue"]["state"] == "problem"
    assert broken["storage"]["state"] == "ok"
    (home / "catalogue.db").unlink()
    assert _found(home, capsys, status=1)["catalogue"]["what"].startswith("there is no file")
    assert _found("ftp://host/x", capsys, status=1)["settings"]["state"] == "problem"


def test_the_clock_of_this_host(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is an hour fast is told so; that a local store works with it is no problem."""
    real = time.time
    monkeypatch.setattr("mistique_core.store.doctor.time.time", lambda: real() + 3_600)
    found = {item.check: item for item in examine(StoreConfig.resolve(home, None))}
    clock = found["clock of the storage"]
    assert clock.state == "note"
    assert 3_590 < float(clock.what.split()[-3]) < 3_600
    assert "chrony" in clock.remedy


def test_little_room(home: Path) -> None:
    """Less than a buffer is a problem, little more than one is told; the setting says how much that is."""
    free = shutil.disk_usage(home).free
    states = []
    for buffer_bytes in (free * 2, free // 2, 1_000):
        found = {item.check: item for item in examine(StoreConfig.resolve(home, None, buffer_bytes=buffer_bytes))}
        states.append(found["room for the store"].state)
    assert states == ["problem", "note", "ok"]


def test_kernels_that_are_switched_off_are_told(home: Path) -> None:
    """Of a process of its own; the exit status stays 0."""
    program = "import sys; from mistique_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "--store", str(home), "doctor"]
    environment = {**os.environ, "MISTIQUE_KERNELS": "off"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "note     kernels" in done.stdout
    assert "no problems" in done.stdout


def test_a_role_that_may_only_select(postgres_url: str, reader_url: str, tmp_path: Path, capsys: Capture) -> None:  # noqa: F811
    """It may read, so with --read-only there is no problem; no password is printed."""
    home = tmp_path / "store"
    with Mistique.open(home, postgres_url) as store:
        store.log_frame("p", "m", "x", FRAME)
    allow_reading(postgres_url, reader_url)
    command = ["--store", str(home), "--catalogue", reader_url, "doctor"]
    assert main(command) == 1
    out = capsys.readouterr().out
    assert "problem  catalogue, writing" in out
    assert "permission denied" in out
    assert "sesame" not in out
    assert main([*command, "--read-only"]) == 0
    out = capsys.readouterr().out
    assert "note     catalogue, writing" in out
    assert "clock of the catalogue" in out
    nobody = sa.make_url(reader_url).set(port=1).render_as_string(hide_password=False)
    assert main(["--store", str(home), "--catalogue", nobody, "doctor"]) == 1
    out = capsys.readouterr().out
    assert "problem  catalogue " in out
    assert "sesame" not in out


def test_object_storage_that_may_only_be_read(
    s3_location: str, s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers every request that would change something with 403; or nobody answers."""
    config = StoreConfig.resolve(s3_location, f"sqlite:///{tmp_path / 'catalogue.db'}")
    with Mistique.open(s3_location, config.catalogue_url) as store:
        store.log_frame("p", "m", "x", FRAME)

    def found(*, writes: bool = True) -> dict[str, Finding]:
        return {item.check: item for item in examine(config, writes=writes)}

    well = found()
    for name in ("storage", "storage, reading", "storage, writing", "clock of the storage"):
        assert well[name].state == "ok", name
    with fault_proxy(s3_endpoint) as proxy:
        proxy.denied_methods |= {"PUT", "POST", "DELETE"}
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        assert found()["storage, writing"].state == "problem"
        reading = found(writes=False)
        assert reading["storage, writing"].state == "note"
        assert "s3:PutObject" in reading["storage, writing"].remedy
        assert reading["storage, reading"].state == "ok"
        assert "clock of the storage" not in reading
