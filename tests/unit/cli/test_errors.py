"""What goes wrong is said in one line that names the value and a remedy; nothing is created by asking."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mistique_core.cli.main import main

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def complaint(capsys: Capture, status: int) -> str:
    """Return the one line that a failed command printed."""
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert err.startswith("mistique: ")
    return err


DIAGNOSE = ["diagnose", "topk", "homes.linear.source.price"]
WRONG: list[tuple[list[str], str]] = [
    (["ls", "hommes"], "project 'hommes' does not exist; did you mean 'homes'?"),
    (["ls", "homes.liner"], "model 'liner' does not exist; did you mean 'linear'?"),
    (["show", "hommes.linear.source"], "project 'hommes' does not exist; did you mean 'homes'?"),
    (["show", "homes.liner.source"], "model 'liner'; did you mean 'linear'?"),
    (["show", "homes.linear.sauce"], "intermediate 'sauce'; did you mean 'source'?"),
    (["show", "homes.linear"], "key 'homes.linear' is incomplete; write project.model.intermediate.column"),
    (["get", "homes.linear@9.source"], "9"),
    (["get", "homes.linear@x.source"], "version 'x'; give a number from 1, such as linear@1"),
    (["get", "homes.linear.source.prize"], "no column 'prize'; did you mean 'price'?"),
    (
        ["get", "homes.linear.source", "--rows", "99"],
        "row_id 99 is not in the intermediate; known: 50 rows from 0 to 49",
    ),
    (["get", "homes.linear.source", "--rows", "3,3"], "3"),
    (["get", "homes.linear.source", "-n", "-1"], "n_ex=-1 is not a number of rows; give an integer of at least 0"),
    (["get", "homes.linear.source", "--where", "price"], "--where 'price' has no comparison; write COLUMN>=VALUE"),
    (
        ["get", "homes.linear.source", "--where", "prize>1"],
        "column 'prize', which the query has not; did you mean 'pri",
    ),
    (
        ["get", "homes.linear.source", "--where", "town>1"],
        "column 'town' of dtype str cannot be compared by '>' with 1",
    ),
    (["get", "homes.linear.source", "-o", "x.txt"], "format of 'x.txt'; end it with .csv or .parquet"),
    (["get", "homes.linear.source", "-o", "nowhere/x.csv"], "cannot write 'nowhere/x.csv'"),
    (["get", "homes.linear.source", "-o", "nowhere/x.parquet"], "cannot write 'nowhere/x.parquet'"),
    (["explain", "homes.linear.sauce"], "intermediate 'sauce'; did you mean 'source'?"),
    (["diagnose", "topk", "homes.linear.source"], "topk: key='homes.linear.source' names all columns"),
    ([*DIAGNOSE, "-k", "0"], "topk: k=0 is out of range; give an integer of at least 1"),
    ([*DIAGNOSE, "--where", "price"], "topk: where 'price' has no comparison; write COLUMN>=VALUE"),
    ([*DIAGNOSE, "--save", "x.gif"], "cannot tell the format of 'x.gif'; end it with .html, .png, .parquet, .csv"),
    ([*DIAGNOSE, "--save", "nowhere/x.csv"], "cannot write 'nowhere/x.csv'"),
    (["diagnose", "topk", "homes.linear.source.town"], "column 'town' of dtype str has no order to rank by; name"),
    (["diagnose", "pointq", "homes.linear.source", "--row-id", "77"], "row_id 77 is not in"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_one_line_names_the_value_and_a_remedy(
    mistique: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: Capture,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in complaint(capsys, mistique(*arguments))
    assert list(tmp_path.iterdir()) == []


COMMANDS = [
    ["ls"],
    ["show", "p.m.x"],
    ["get", "p.m.x"],
    ["explain", "p.m.x"],
    ["diagnose", "topk", "p.m.x.c"],
    ["stats"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_asking_creates_no_store(tmp_path: Path, capsys: Capture, command: list[str]) -> None:
    store = tmp_path / "none"
    urls = (
        f"sqlite:///{store / 'a.db'}",
        f"sqlite+pysqlite:///{store / 'a.db'}",
        "postgresql://127.0.0.1:1/x",
        "nonsense",
    )
    for options in ([], *(["--catalogue", url] for url in urls)):
        line = complaint(capsys, main(["--store", str(store), *options, *command]))
        assert line == f"mistique: there is no store in {store}; give --store FOLDER or run a pipeline first\n"
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_no_store(tmp_path: Path, capsys: Capture) -> None:
    assert "there is no store in" in complaint(capsys, main(["--store", str(tmp_path), "ls"]))
    assert list(tmp_path.iterdir()) == []


def test_a_catalogue_that_cannot_be_used(location: Path, capsys: Capture) -> None:
    for url, message in (
        ("postgresql://u:secret@127.0.0.1:1/x", "u:***@127.0.0.1:1/x cannot be used"),
        ("mysql://127.0.0.1/x", "catalogue database 'mysql' is not supported; use sqlite or postgresql"),
        ("nonsense", "the catalogue URL is not an SQLAlchemy URL; write sqlite:///path or postgresql://"),
    ):
        line = complaint(capsys, main(["--store", str(location), "--catalogue", url, "ls"]))
        assert message in line
        assert "secret" not in line


def test_a_damaged_catalogue(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "catalogue.db").write_bytes(b"this is no database" * 100)
    assert "catalogue.db cannot be used" in complaint(capsys, main(["--store", str(tmp_path), "stats"]))


@pytest.mark.parametrize("arguments", [[], ["no_such"], ["get"], ["get", "p.m.x", "--rows", "one"], ["stats", "--jsn"]])
def test_wrong_usage_exits_with_two(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "mistique" in capsys.readouterr().err
