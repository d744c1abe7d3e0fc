"""Credentials that may only read are enough to read; what would write is refused in one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.errors import CatalogueError, StorageError
from tests.conftest import SERVER
from tests.security.pages_client import pages_of
from tests.unit.storage.fault_proxy import fault_proxy

FRAME = pd.DataFrame({"x": [1.5, 2.5, 3.5], "s": ["a", None, "ü"]})
FILES = (
    'partition = next((Path(sys.argv[1]) / "partitions").rglob("*.h5")); print(os.access(partition.parent, os.W_OK))'
)
READER = """
import os, sys
from mistique_core import Mistique
from mistique_core.errors import CatalogueError, StorageError
import pandas as pd
print(os.access(sys.argv[1], os.W_OK))
with Mistique.open(sys.argv[1], sys.argv[2]) as store:
    print(store.get_intermediates("p.m.x").frame["x"].tolist(), len(store.intermediates()))
    try:
        store.log_frame("p", "m", "y", pd.DataFrame({"x": [9.0, 8.0]}))
    except (CatalogueError, StorageError) as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def reader_url(postgres_url: str) -> Iterator[str]:
    """Return the URL of a role that may connect, and nothing else until it is granted something."""
    role, database = f"mistique_reader_{uuid.uuid4().hex[:12]}", sa.make_url(postgres_url).database
    engine = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'sesame-7f'")
    yield f"postgresql+psycopg://{role}:sesame-7f@127.0.0.1:5432/{database}"
    own = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with own.connect() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
    own.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP ROLE {role}")
    engine.dispose()


def allow_reading(postgres_url: str, reader_url: str) -> None:
    """Grant what ``docs/security.md`` names, and forget what this host has measured: the reader is another host."""
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {sa.make_url(reader_url).username}")
        connection.exec_driver_sql("DELETE FROM cost_rate")
    engine.dispose()


def test_a_role_that_may_only_select(
    postgres_url: str, reader_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "store"
    with Mistique.open(home, postgres_url) as store:
        store.log_frame("p", "m", "x", FRAME)
    allow_reading(postgres_url, reader_url)
    with Mistique.open(home, reader_url) as store:
        for _ in range(70):  # counts of queries are saved after 64 of them
            found = store.get_intermediates("p.m.x", strategy="read").frame
        pd.testing.assert_frame_equal(found, FRAME.rename_axis("row_id"))
        assert not store.check().problems
        with pytest.raises(CatalogueError, match="permission denied") as caught:
            store.log_frame("p", "m", "y", FRAME)
        assert "\n" not in str(caught.value)
        assert "sesame" not in str(caught.value)
    for command in (["ls"], ["stats"], ["get", "p.m.x"], ["explain", "p.m.x"], ["show", "p.m.x"], ["check"]):
        capsys.readouterr()
        assert main(["--store", str(home), "--catalogue", reader_url, *command]) == 0, command
        assert capsys.readouterr().err == ""
    assert main(["--store", str(home), "--catalogue", reader_url, "delete", "p.m", "--yes"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("mistique: ")
    assert "permission denied" in error
    assert "sesame" not in error
    with Mistique.open(home, postgres_url) as store:
        assert store.intermediates()["intermediate"].tolist() == ["x"]


def test_pages_of_a_role_that_may_only_select(postgres_url: str, reader_url: str, tmp_path: Path) -> None:
    """The pages outside of Airflow, with its own guard; an edit is refused with the reason."""
    home = tmp_path / "store"
    with Mistique.open(home, postgres_url) as store, store.run("p", "m") as run:
        run.log_frame("x", FRAME)
    allow_reading(postgres_url, reader_url)
    with pages_of(home, reader_url) as client:
        for path in (
            "/mistique/runs",
            "/mistique/app/projects",
            "/mistique/api/modeldb/projects",
            "/mistique/api/runs",
        ):
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)
        run_id = client.get("/mistique/api/modeldb/runs").json()["runs"][0]["id"]
        refused = client.put(f"/mistique/api/modeldb/tags/run/{run_id}/best")
        assert refused.status_code == 503
        assert "permission denied" in refused.json()["error"]
        assert "sesame" not in refused.text


def test_object_storage_that_may_only_be_read(
    s3_location: str, s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers every request that would change something with 403."""
    catalogue = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with Mistique.open(s3_location, catalogue) as store:
        store.log_frame("p", "m", "x", FRAME)
    engine = sa.create_engine(catalogue)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM cost_rate")
    engine.dispose()
    with fault_proxy(s3_endpoint) as proxy:
        proxy.denied_methods |= {"PUT", "POST", "DELETE"}
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        with Mistique.open(s3_location, catalogue) as store:
            found = store.get_intermediates("p.m.x", strategy="read").frame
            pd.testing.assert_frame_equal(found, FRAME.rename_axis("row_id"))
            assert not store.check(read_data=True).problems
            with pytest.raises(StorageError, match="AccessDenied") as caught:
                store.log_frame("p", "m", "y", FRAME * 2)
            assert "kept-secret" not in str(caught.value)
            assert "may read, write, list and delete" in str(caught.value)


def test_a_folder_that_may_only_be_read(postgres_url: str, tmp_path: Path) -> None:
    """In a process without the right to write there; root needs to lose its own for that."""
    home = tmp_path / "store"
    with Mistique.open(home, postgres_url) as store:
        store.log_frame("p", "m", "x", FRAME)
    folders = [home, *(path for path in home.rglob("*") if path.is_dir())]
    lose = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    if lose and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and setpriv, which takes that from it, is missing")
    for folder in folders:
        folder.chmod(0o555)
    try:
        command = [*lose, sys.executable, "-c", READER, str(home), postgres_url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    if lines[0] == "True":
        pytest.skip("this process may write everywhere")
    assert lines[1] == "[1.5, 2.5, 3.5] 1"
    assert lines[2].startswith("StorageError ")
    assert str(home) in lines[2]
