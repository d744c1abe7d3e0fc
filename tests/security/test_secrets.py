"""Nothing that is left of a pipeline holds a secret: logs, references, catalogue, bytes, pages, messages, ``repr``."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.cli.main import main
from mistique_core.config import StoreConfig
from mistique_core.diagnostics import diagnose
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.modeldb import ModelDB
from mistique_core.workflows import EvaluateStage, ReadCsvStage
from tests.conftest import SERVER
from tests.security.pages_client import TOKEN, pages_of

PASSWORD = "sesame-4711-open"
KEY = "AKIAMARKEROFTHISTEST"
SESSION = "session-token-of-this-test"


@pytest.fixture
def url_with_password(postgres_url: str) -> str:
    """Return a URL whose password stands before the ``@`` and behind the ``?``; the server trusts this machine."""
    parsed = sa.make_url(postgres_url).set(password=PASSWORD).update_query_dict({"sslpassword": f"{PASSWORD}-2"})
    return parsed.render_as_string(hide_password=False)


def dump(catalogue: Catalogue) -> str:
    """Return every value of every table, binary ones with their bytes."""
    found = []
    with catalogue.read() as connection:
        inspector = sa.inspect(connection)
        for name in inspector.get_table_names():
            rows = connection.execute(sa.select(sa.text("*")).select_from(sa.table(name)))
            found += [f"{name}: {[bytes(v) if isinstance(v, memoryview) else v for v in row]!r}" for row in rows]
    assert len(found) > 20
    return "\n".join(found)


def test_what_a_pipeline_leaves(
    url_with_password: str,
    s3_location: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    csv = tmp_path / "homes.csv"
    rows = range(30)
    pd.DataFrame({"prediction": [n / 7 for n in rows], "price": [n / 6 for n in rows]}).to_csv(csv, index=False)
    left: dict[str, str] = {}
    with caplog.at_level(logging.DEBUG):
        # Of the whole package and of what it is built on; SQL statements too.
        logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
        try:
            with Mistique.open(s3_location, url_with_password) as store:
                with store.run("homes", "linear") as run:
                    read = run.stage("read", ReadCsvStage(str(csv)))
                    run.stage("evaluate", EvaluateStage("price", ["r2"]), {"predictions": read.outputs[""]})
                left["references"] = json.dumps([ref.to_json() for ref in read.outputs.values()], default=str)
                answer = diagnose(store, "topk", {"key": "homes.linear.read.price", "k": 3})
                left["answer"] = repr(answer) + repr(store.explain("homes.linear.read.price"))
                left["catalogue"] = dump(store.catalogue)
                names = list(store.backend.names())
                parts = [store.backend.get_range(name, 0, store.backend.size(name)) for name in names]
                left["bytes"] = b"".join(parts).decode("latin-1")
                left["records"] = repr(ModelDB(store).search("").runs) + repr(store.stats()) + repr(store.check())
                shown = [store, store.config, store.catalogue, store.backend, vars(store.backend), store.catalogue.url]
                left["repr"] = repr(shown) + str(store.catalogue.shown_url)
        finally:
            logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    for command in (["ls"], ["stats"], ["show", "homes.linear.read"], ["check"]):
        assert main(["--store", s3_location, "--catalogue", url_with_password, *command]) == 0
    left["command line"] = "".join(capsys.readouterr())
    left["logs"] = caplog.text
    assert "homes" in left["logs"]
    assert len(parts) >= 1
    for place, text in left.items():
        assert text, place
        for secret in (PASSWORD, KEY):
            assert secret not in text, place


def test_pages_of_a_store_with_a_password(url_with_password: str, tmp_path: Path) -> None:
    home = tmp_path / "store"
    with Mistique.open(home, url_with_password) as store, store.run("homes", "linear") as run:
        run.log_frame("x", pd.DataFrame({"x": [1.0, 2.0]}))
    with pages_of(home, url_with_password) as client:
        paths = ["runs", "api/runs", "api/openapi.json", "app/projects", "app/_dash-layout", "app/_dash-dependencies"]
        for path in (*paths, "api/modeldb/runs", "api/modeldb/runs/1", "nowhere", "api/modeldb/runs/9999"):
            text = client.get(f"/mistique/{path}").text
            assert text, path
            assert PASSWORD not in text, path
            assert TOKEN not in text, path


WRONG_URLS = (
    f"postgresql://u:{PASSWORD}@127.0.0.1:1/x",
    f"postgresql://u@127.0.0.1:1/x?password={PASSWORD}",
    f"postgresql://u@127.0.0.1:1/x?sslpassword={PASSWORD}",
    f"postgresql://u:a@{PASSWORD}@127.0.0.1:1/x",
    f"postgresql://u:a/{PASSWORD}@127.0.0.1/x",
    f"postgresql://u:{PASSWORD}@127.0.0.1:port/x",
    f"postgresql://u:8:{PASSWORD}/9@127.0.0.1:1/x",
    f"mysql://u:{PASSWORD}@127.0.0.1/x",
    f"nonsense {PASSWORD}",
    SERVER.replace("postgres@", f"nobody_of_this_name:{PASSWORD}@"),
)


@pytest.mark.parametrize("url", WRONG_URLS)
def test_no_message_repeats_a_password_of_a_url(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor what caused the error, which a log of Airflow shows."""
    with caplog.at_level(logging.DEBUG), pytest.raises(MistiqueError) as caught:
        Mistique.open(tmp_path, url, busy_seconds=2)
    whole = "".join(traceback.format_exception(caught.value))
    for text in (str(caught.value), repr(caught.value), whole, caplog.text):
        assert PASSWORD not in text
    (tmp_path / "x").mkdir()
    assert main(["--store", str(tmp_path / "x"), "--catalogue", url, "ls"]) == 1
    assert PASSWORD not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "location",
    [
        f"s3://{KEY}:{PASSWORD}@bucket/a",
        f"https://{KEY}:{PASSWORD}@host/bucket",
        f"s3://bucket/a?X-Amz-Signature={PASSWORD}",
    ],
)
def test_no_message_repeats_a_secret_of_a_location(location: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        StoreConfig.resolve(location, "sqlite:////nowhere/c.db")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_settings_do_not_show_their_catalogue(tmp_path: Path) -> None:
    """A test of pytest, a debugger or a log may print them."""
    settings = StoreConfig.resolve(tmp_path, f"postgresql://u:{PASSWORD}@127.0.0.1/x")
    assert PASSWORD in settings.catalogue_url
    for shown in (repr(settings), str(settings), f"{[settings]}"):
        assert PASSWORD not in shown
        assert str(tmp_path) in shown
