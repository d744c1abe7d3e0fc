"""Opening a catalogue: modes, processes that race, and a database that is not there."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue, ensure_schema
from mistique_core.errors import CatalogueUnavailableError, InvalidInputError

RACE = """
import os, sys
from mistique_core import Mistique

started, start = os.pipe()
racers = []
for _ in range(4):
    racer = os.fork()
    if not racer:
        os.close(start)
        os.read(started, 1)
        Mistique.open(sys.argv[1], sys.argv[2]).close()
        os._exit(0)
    racers.append(racer)
os.close(start)
sys.exit(max(os.waitpid(racer, 0)[1] for racer in racers) > 0)
"""


def test_sqlite_is_in_wal_mode(tmp_path: Path) -> None:
    """Readers never wait for a writer."""
    with Mistique.open(tmp_path):
        plain = sqlite3.connect(tmp_path / "catalogue.db")
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        plain.close()


def test_a_new_catalogue_that_another_process_is_changing_to_wal_mode_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself refuses at once, whatever its time-out."""
    file = tmp_path / "catalogue.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT").close())
    release.start()
    ensure_schema(Catalogue(f"sqlite:///{file}", busy_seconds=60))
    release.join()
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_a_new_catalogue_that_stays_locked_is_told(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogueUnavailableError, match="database is locked"):
        ensure_schema(Catalogue(f"sqlite:///{file}", busy_seconds=0.2))
    other.close()


def test_processes_open_a_new_store_at_once(catalogue_url: str, tmp_path: Path) -> None:
    """Whoever comes second finds the schema that the first one made."""
    command = [sys.executable, "-W", "error", "-c", RACE, str(tmp_path), catalogue_url]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    "url",
    ["postgresql://someone:sesame@127.0.0.1:1/nowhere", "postgresql://postgres:sesame@127.0.0.1:5432/no_such_database"],
)
def test_an_unreachable_server(url: str) -> None:
    """One line that shows which catalogue, but not its password."""
    catalogue = Catalogue(url, busy_seconds=2)
    with pytest.raises(CatalogueUnavailableError) as caught:
        ensure_schema(catalogue)
    text = str(caught.value)
    assert "\n" not in text
    assert "sesame" not in text
    assert "127.0.0.1" in text
    catalogue.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Foreign bytes at the catalogue's place are reported, and left alone."""
    path = tmp_path / "catalogue.db"
    path.write_bytes(b"these are not the pages of a database" * 100)
    before = path.read_bytes()
    catalogue = Catalogue(f"sqlite:///{path}")
    with pytest.raises(CatalogueUnavailableError) as caught:
        ensure_schema(catalogue)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    catalogue.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An old program does not write into a newer catalogue."""
    Mistique.open(tmp_path).close()
    plain = sqlite3.connect(tmp_path / "catalogue.db")
    with plain:
        plain.execute("UPDATE mistique_schema SET version_num = '9999'")
    plain.close()
    with pytest.raises(CatalogueUnavailableError, match="upgrade"):
        Mistique.open(tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_other_urls_are_refused(url: str) -> None:
    """Only databases that keep what they are given."""
    with pytest.raises(InvalidInputError):
        Catalogue(url)
