"""Where a connection's store lives, with and without Airflow's own look-up."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path

import pytest

from mistique_core.config import StoreConfig
from mistique_core.errors import InvalidInputError
from operators.connection import catalogue_url, default_location, is_configured_by_environment, store_config
from tests.operators.conftest import VARIABLE

BOTH = pytest.mark.parametrize("allow_database", [True, False])


@BOTH
@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("mistique:///var/lib/store", "/var/lib/store"),
        ("mistique://%2Fvar%2Flib%2Fstore", "/var/lib/store"),
        ("mistique://%2Fvar%2Flib%2Fa%20b", "/var/lib/a b"),
    ],
)
def test_uri(monkeypatch: pytest.MonkeyPatch, uri: str, folder: str, allow_database: bool) -> None:
    monkeypatch.setenv(VARIABLE, uri)
    config = store_config(allow_database=allow_database)
    assert config == StoreConfig.resolve(folder, None)
    assert config.catalogue_url == f"sqlite:///{folder}/catalogue.db"


@BOTH
def test_the_extra_of_a_uri_holds_strings(monkeypatch: pytest.MonkeyPatch, allow_database: bool) -> None:
    url = "postgresql%3A%2F%2Fu%3Ap%40db%2Fx"
    monkeypatch.setenv(VARIABLE, f"mistique:///s?block_rows=100&busy_seconds=1.5&zstd_level=&catalogue_url={url}")
    config = store_config(allow_database=allow_database)
    assert config == StoreConfig.resolve("/s", "postgresql://u:p@db/x", block_rows=100, busy_seconds=1.5)
    assert catalogue_url(allow_database=allow_database) == "postgresql://u:p@db/x"


@BOTH
def test_object_storage(monkeypatch: pytest.MonkeyPatch, allow_database: bool) -> None:
    """The host is the URL; its catalogue is in the extra, else in the environment."""
    monkeypatch.setenv(VARIABLE, "mistique://s3%3A%2F%2Fbucket%2Fprefix")
    with pytest.raises(InvalidInputError, match="a store in s3://bucket/prefix needs a catalogue elsewhere"):
        store_config(allow_database=allow_database)
    monkeypatch.setenv("MISTIQUE_CATALOGUE_URL", "postgresql://db/environment")
    config = store_config(allow_database=allow_database)
    assert (config.location, config.catalogue_url) == ("s3://bucket/prefix", "postgresql://db/environment")
    document = {"conn_type": "mistique", "host": "s3://bucket/prefix", "extra": {"catalogue_url": "postgresql://db/x"}}
    monkeypatch.setenv(VARIABLE, json.dumps(document))
    config = store_config(allow_database=allow_database)
    assert (config.location, config.catalogue_url) == ("s3://bucket/prefix", "postgresql://db/x")


@BOTH
def test_json(monkeypatch: pytest.MonkeyPatch, allow_database: bool) -> None:
    extra = {"catalogue_url": "", "block_rows": 100, "zstd_level": "5", "partition_bytes": None}
    for given in (extra, json.dumps(extra)):
        document = {"conn_type": "mistique", "host": "/s", "extra": given}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(document))
        config = store_config("other", allow_database=allow_database)
        assert config == StoreConfig.resolve("/s", None, block_rows=100, zstd_level=5)


@BOTH
def test_a_connection_without_a_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, allow_database: bool) -> None:
    monkeypatch.setenv("MISTIQUE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, json.dumps({"conn_type": "mistique", "extra": {"block_rows": 7}}))
    assert store_config(allow_database=allow_database) == StoreConfig.resolve(tmp_path, None, block_rows=7)


@BOTH
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"block_row": 7}, "has an unknown setting 'block_row' in its extra; did you mean 'block_rows'?"),
        ({"location": "/x"}, "has an unknown setting 'location' in its extra; known: approximate_dedup, block_rows"),
        ({"block_rows": "many"}, "block_rows='many' is not a positive integer"),
        ({"block_rows": "-5"}, "block_rows=-5 is not a positive integer"),
        ({"zstd_level": "high"}, "zstd_level='high' is not a number"),
        ({"zstd_level": 40}, "zstd_level=40 is outside 1..19"),
        ({"busy_seconds": "long"}, "busy_seconds='long' is not a number"),
    ],
)
def test_wrong_settings(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, object], message: str, allow_database: bool
) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps({"conn_type": "mistique", "host": "/s", "extra": extra}))
    with pytest.raises(InvalidInputError) as caught:
        store_config(allow_database=allow_database)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@BOTH
def test_without_a_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, allow_database: bool) -> None:
    """The store is ``$MISTIQUE_HOME``, else a folder in Airflow's home."""
    assert default_location() == f"{os.environ['AIRFLOW_HOME']}/mistique"
    assert store_config(allow_database=allow_database) == StoreConfig.resolve(default_location(), None)
    assert not is_configured_by_environment()
    monkeypatch.setenv("MISTIQUE_HOME", str(tmp_path))
    monkeypatch.setenv("MISTIQUE_CATALOGUE_URL", "postgresql://db/x")
    assert store_config(allow_database=allow_database) == StoreConfig.resolve(tmp_path, "postgresql://db/x")
    assert is_configured_by_environment()


def test_the_listener_looks_at_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import BaseHook

    def refuse(conn_id: str) -> None:
        raise AssertionError(f"Airflow was asked for {conn_id}")

    monkeypatch.setattr(BaseHook, "get_connection", refuse)
    assert store_config(allow_database=False) == StoreConfig.resolve(default_location(), None)
    with pytest.raises(AssertionError, match="Airflow was asked for mistique_default"):
        store_config()


def test_the_hook_opens_the_store_of_its_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from operators import MistiqueHook

    document = {"conn_type": "mistique", "host": str(tmp_path / "s"), "extra": {"block_rows": 7}}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(document))
    hook = MistiqueHook("other")
    assert hook.get_conn().config.block_rows == 7
    assert hook.test_connection() == (True, f"0 intermediates in {tmp_path / 's'}")
    hook.store.close()
    document["extra"] = {"catalogue_url": "postgresql://127.0.0.1:1/x"}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(document))
    works, message = MistiqueHook("other").test_connection()
    assert not works
    assert "127.0.0.1:1/x cannot be used" in message


def test_the_hook_of_airflow_shows_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra: dict[str, object] = {"catalogue_url": "postgresql://u:sesame-4711@127.0.0.1/x", "no_such_setting": 1}
    connection = {
        "conn_type": "mistique",
        "host": str(tmp_path),
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_MISTIQUE_DEFAULT", json.dumps(connection))
    with pytest.raises(InvalidInputError, match="no_such_setting") as caught:
        store_config(allow_database=False)
    assert "sesame-4711" not in "".join(traceback.format_exception(caught.value))
    del extra["no_such_setting"]
    monkeypatch.setenv("AIRFLOW_CONN_MISTIQUE_DEFAULT", json.dumps(connection))
    assert "sesame-4711" not in repr(store_config(allow_database=False))
