"""Names that look like paths, SQL, HTML, Markdown or headers stay names, and lead nowhere."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.errors import CorruptPartitionError, InvalidInputError, MistiqueError
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.queries import record_query
from mistique_core.workflows.specification.substitution import substitute
from tests.security.pages_client import pages_of

Capture = pytest.CaptureFixture[str]
REFUSED = (
    "../../etc/passwd",
    "..",
    ".",
    "a\x00b",
    "a\nb",
    "a\r\nSet-Cookie: x",
    "\ud800",
    "",
    " ",
    "a@1",
    "*",
    "x" * 201,
)
NAMES = (
    "/etc/passwd",
    "\\windows",
    "C:\\x",
    "'; DROP TABLE stage; --",
    '"; DROP TABLE stage; --',
    "%s%(x)s{0}{x}",
    "<script>alert(1)<／script>",
    "![x](http:／／x:1)",
    "`id`$(id)|id",
    "[bold red]x[／]",
    "=1+1",
    "-rf",
    "Größe \U0001f3e0",
    "NULL",
    "x" * 200,
)
COLUMNS = (
    *NAMES,
    "../../etc/passwd",
    "a.b@3.*",
    "</script><script>alert(1)</script>",
    "![x](http://x.example/y.png)",
    "a\nb\r\nc",
    "row_id ",
    "x" * 5_000,
)


def outside(folder: Path) -> set[str]:
    """Return what lies beside a store."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "store" not in path.parts}


def inside(home: Path) -> set[str]:
    """Return the files of a store, numbers and addresses left out."""
    names = (path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    return {re.sub(r"[0-9a-f]{2}/[0-9a-f]{64}", "#", name) for name in names}


@pytest.fixture
def named(catalogue_url: str, tmp_path: Path) -> Iterator[Mistique]:
    """Return a store with a model of each name, whose intermediate has all columns."""
    with Mistique.open(tmp_path / "folder" / "store", catalogue_url) as store:
        frame = pd.DataFrame({name: np.arange(4.0) + number for number, name in enumerate(COLUMNS)})
        for name in NAMES:
            store.log_frame(name, name, name, frame)
        yield store


def test_names_are_names_in_sql_and_on_the_disk(named: Mistique, tmp_path: Path, capsys: Capture) -> None:
    assert set(named.intermediates()["project"]) == set(NAMES)
    with named.catalogue.read() as connection:
        tables = set(sa.inspect(connection).get_table_names())
    assert "stage" in tables
    for number, column in enumerate(COLUMNS):
        name = NAMES[number % len(NAMES)]
        found = named.get_intermediates(f"{name}.{name}.{name}.{column}", where=(column, ">=", number + 2.0))
        assert found.frame[column].tolist() == [number + 2.0, number + 3.0]
    for name in NAMES:
        quoted = name.replace("'", "''")
        assert ModelDB(named).search(f"project = '{quoted}'").total == 1
    assert outside(tmp_path / "folder") == set()
    home = tmp_path / "folder" / "store"
    assert {name for name in inside(home) if not name.startswith("catalogue")} == {"partitions/#.h5", "store-id"}
    location = ["--store", str(home), "--catalogue", named.catalogue.url.render_as_string(hide_password=False)]
    for name in NAMES[3:11]:
        assert main([*location, "get", "--rows", "2", "--", f"{name}.{name}.{name}"]) == 0
        assert main([*location, "ls", "--", name]) in (0, 1)
    assert "DROP TABLE stage" in capsys.readouterr().out
    with named.catalogue.read() as connection:
        assert set(sa.inspect(connection).get_table_names()) == tables


def test_names_that_are_none(tmp_path: Path, capsys: Capture) -> None:
    home = tmp_path / "folder" / "store"
    with Mistique.open(home) as store:
        for names in (names for name in REFUSED for names in ((name, "m", "x"), ("p", name, "x"), ("p", "m", name))):
            with pytest.raises(InvalidInputError) as caught:
                store.log_array(*names, np.ones((2, 2)))
            assert "\n" not in str(caught.value)
            with pytest.raises(MistiqueError):
                store.get_intermediates(".".join((*names, "*")))
        assert store.intermediates().empty
    for name in ("../../etc/passwd", "..", "a\r\nSet-Cookie: x", "a@1", "*"):
        for command in (["show", f"p.{name}.x"], ["get", f"{name}.m.x"], ["delete", f"{name}.m", "--yes"]):
            assert main(["--store", str(home), *command]) in (0, 1), command
            assert "Traceback" not in capsys.readouterr().err
    assert outside(tmp_path / "folder") == set()


@pytest.mark.parametrize("column", ["\ud800", "a\x00b"])
def test_columns_of_no_text(column: str, catalogue_url: str, tmp_path: Path) -> None:
    """They are refused with the reason: no database keeps them."""
    with Mistique.open(tmp_path, catalogue_url) as store:
        frame = pd.DataFrame([[1.0], [2.0]], columns=pd.Index([column], dtype=object))
        with pytest.raises(InvalidInputError, match="no database can hold"):
            store.log_frame("p", "m", "x", frame)
        assert store.intermediates().empty


@pytest.mark.parametrize("place", ["../../../secret.h5", "store-id", "a" * 64 + ".h5/../../x"])
def test_a_catalogue_that_names_files_elsewhere(place: str, tmp_path: Path, capsys: Capture) -> None:
    """Whoever can write into the catalogue cannot make others read or delete files of the host."""
    home = tmp_path / "folder" / "store"
    secret = tmp_path / "secret.h5"
    secret.write_bytes(b"a secret of this host" * 100)
    with Mistique.open(home) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"x": np.arange(100.0) ** 2}))
    plain = sqlite3.connect(home / "catalogue.db")
    with plain:
        plain.execute("UPDATE partition SET name = ?", (place,))
    plain.close()
    with Mistique.open(home, cache_bytes=0) as store:
        with pytest.raises((InvalidInputError, CorruptPartitionError)) as caught:
            store.get_intermediates("p.m.x", strategy="read")
        assert "a secret of" not in str(caught.value)
    for command in (["check"], ["delete", "p", "--yes"], ["gc", "--grace", "0s"], ["compact"], ["rebuild"]):
        main(["--store", str(home), *command])
        said = "".join(capsys.readouterr())
        assert "a secret of" not in said
    assert secret.read_bytes() == b"a secret of this host" * 100
    assert (home / "store-id").is_file()


PATHS = (
    "%2e%2e/app.py",
    "..%2fapp.py",
    "style.css/%2e%2e/%2e%2e/app.py",
    "app/assets/..%2f..%2frouter.py",
    "app/assets/%2e%2e/%2e%2e/dash_server.py",
    "app/assets/..%5c..%5crouter.py",
    "app/assets/%252e%252e/router.py",
    "app/_dash-component-suites/dash/../../../../etc/passwd",
    "app/_dash-component-suites/dash/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "app/_dash-component-suites/os/path.py",
    "app//etc/passwd",
    "static/..%2f..%2fapp.py",
    "query/1/answer.html/..%2f..%2f..%2fapp.py",
    "query/..%2f1/answer.csv",
    "api/modeldb/versions/..%2f..%2f/x/1",
)


def test_paths_out_of_the_web_application(tmp_path: Path) -> None:
    home = tmp_path / "store"
    with Mistique.open(home) as store:
        for technique in ("topk", 'x"\r\nSet-Cookie: a=b\r\n\r\n<script>', "../../etc/passwd", ""):
            answer = {"columns": ["</script><script>alert(1)</script>", "=1+1"], "rows": [["<img src=x>", "@x"]]}
            record_query(store.catalogue, technique=technique, request={"k": 1}, answer=answer, figure='{"data": []}')
    with pages_of(home, f"sqlite:///{home}/catalogue.db") as client:
        for path in PATHS:
            answer: Any = client.get(f"/mistique/{path}", follow_redirects=False)
            assert answer.status_code in (307, 400, 404, 422, 500) or answer.headers["content-type"].startswith(
                "text/html"
            ), path
            assert answer.status_code != 500 or path.startswith("app/_dash-component-suites"), path
            assert "import" not in answer.text, path
            assert "root:" not in answer.text, path
        for number in (1, 2, 3, 4):
            for suffix in ("csv", "json", "html", "parquet"):
                served = client.get(f"/mistique/query/{number}/answer.{suffix}")
                assert served.status_code == 200
                assert re.fullmatch(r'attachment; filename="[a-z0-9-]+\.[a-z]+"', served.headers["content-disposition"])
                assert "set-cookie" not in served.headers
                assert served.headers["x-content-type-options"] == "nosniff"
            page = client.get(f"/mistique/query/{number}/answer.html").text
            assert "<script>alert" not in page
            assert "<img src=x>" not in page
            assert "<script>alert" not in client.get(f"/mistique/query/{number}").text


def test_a_text_that_names_a_long_parameter_often() -> None:
    """Two short texts of a workflow's file, or of what a run is triggered with, that stand for 20 GB."""
    with pytest.raises(InvalidInputError, match="longer than"):
        substitute("${a}" * 100_000, {"a": "x" * 200_000}, {})
    assert substitute("${a}" * 3, {"a": "x"}, {}) == "xxx"


@pytest.mark.parametrize("path", ["../evil.py:run", "{outside}/evil.py:run", "sub/../../evil.py:run", "link.py:run"])
def test_code_is_imported_from_code_folders_only(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path in a workflow's file, or one that was recorded, does not lead out of them, nor does a link in them."""
    from mistique_core.workflows.code_location import find, named_code

    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "evil.py").write_text("def run():\n    raise SystemExit('executed')\n")
    (folder / "link.py").symlink_to(tmp_path / "evil.py")
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(folder))
    path = path.format(outside=tmp_path)
    with pytest.raises(MistiqueError):
        named_code(path, "function")
    with pytest.raises(MistiqueError):
        find({"module": None, "file": path.partition(":")[0], "qualname": "run"})
