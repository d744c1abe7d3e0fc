"""Every command answers what pandas and the store's own API answer."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.diagnostics import TECHNIQUES
from tests.unit.cli.conftest import ODD_COLUMN, ODD_MODEL

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, status: int) -> str:
    """Return what a command that succeeded printed; it complained about nothing."""
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def as_frame(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), index_col="row_id")


def test_ls_lists_the_newest_version_of_each_model(mistique: Command, capsys: Capture) -> None:
    lines = printed(capsys, mistique("ls", "homes")).splitlines()
    names = [line.split()[0] for line in lines[1:-1]]
    assert sorted(names) == [
        "homes.forest@2.source",
        "homes.linear@2.parts_test",
        "homes.linear@2.parts_train",
        "homes.linear@2.source",
    ]
    assert [line.split()[-1] for line in lines[1:-1] if "linear" in line] == ["reused"] * 3
    assert lines[-1].startswith("4 intermediates, ")


def test_ls_of_one_model_and_every_version(mistique: Command, location: Path, capsys: Capture) -> None:
    lines = printed(capsys, mistique("ls", "homes.linear", "--all-versions")).splitlines()[1:-1]
    with Mistique.open(location) as store:
        listed = store.intermediates("homes", "linear")
    expected = {f"homes.linear@{row.version}.{row.intermediate}": f"{row.rows:,}" for row in listed.itertuples()}
    assert {line.split()[0]: line.split()[1] for line in lines} == expected
    assert len(expected) == 6


def test_show_describes_the_columns(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    out = printed(capsys, mistique("show", "homes.linear.source"))
    assert out.startswith("homes.linear@2.source\n50 rows, 3 columns, ")
    assert [line.split()[0] for line in out.splitlines()[3:6]] == list(houses.columns)
    assert "READ" in out
    assert "RERUN" in out


def test_get_prints_rows_and_says_how_many_are_left(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    lines = printed(capsys, mistique("get", "homes.linear.source.rooms")).splitlines()
    assert [tuple(map(int, line.split())) for line in lines[1:-1]] == list(houses["rooms"].head(20).items())
    assert lines[-1] == "20 of 50 rows; -n N prints more, -o FILE.csv saves all"
    lines = printed(capsys, mistique("get", "homes.linear.source.rooms", "-n", "3")).splitlines()
    assert [tuple(map(int, line.split())) for line in lines[1:]] == list(houses["rooms"].head(3).items())


def test_get_rows_in_their_order(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    out = printed(capsys, mistique("get", "homes.linear.source", "--rows", "17,3", "-o", "-"))
    pd.testing.assert_frame_equal(as_frame(out), houses.loc[[17, 3]])


def test_get_saves_csv_and_parquet(
    mistique: Command, location: Path, houses: pd.DataFrame, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("x.csv", "x.parquet"):
        assert printed(capsys, mistique("get", "homes.linear.source", "-o", str(tmp_path / name))) == ""
    assert (tmp_path / "x.csv").read_text() == houses.to_csv()
    with Mistique.open(location) as store:
        stored = store.get_intermediates("homes.linear.source").frame
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), stored)
    assert printed(capsys, mistique("get", "homes.linear.source", "-o", "-")) == houses.to_csv()


@pytest.mark.parametrize("strategy", ["auto", "read", "rerun"])
def test_get_does_not_depend_on_the_strategy(
    mistique: Command, houses: pd.DataFrame, capsys: Capture, strategy: str
) -> None:
    status = mistique("get", "homes.linear.parts_train", "-o", "-", "--strategy", strategy, "--explain")
    out, err = capsys.readouterr()
    assert status == 0
    frame = as_frame(out)
    pd.testing.assert_frame_equal(frame, houses.loc[frame.index])
    assert len(frame) == 25
    assert f"homes.linear@2.parts_train: {'' if strategy == 'auto' else strategy.upper()}" in err


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (["rooms>=4"], "rooms >= 4"),
        (["rooms > 2", "price<90.5"], "rooms > 2 and price < 90.5"),
        (["town==Ghent"], "town == 'Ghent'"),
        (['town != "Ghent"'], "town != 'Ghent'"),
        (["price<=100"], "price <= 100"),
        (["rooms==9"], "rooms == 9"),
    ],
)
def test_get_where(mistique: Command, houses: pd.DataFrame, capsys: Capture, where: list[str], query: str) -> None:
    options = [option for text in where for option in ("--where", text)]
    out = printed(capsys, mistique("get", "homes.linear.source", *options, "-o", "-"))
    assert out == houses.query(query).to_csv()


def test_explain_shows_both_estimates(mistique: Command, capsys: Capture) -> None:
    out = printed(capsys, mistique("explain", "homes.linear.parts_test.price", "--where", "rooms>2"))
    assert out.startswith("homes.linear@2.parts_test: ")
    assert "  READ  " in out
    assert "  RERUN " in out
    assert "took" not in out


def test_diagnose_pointq(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    arguments = ["diagnose", "pointq", "homes.linear.source", "--row-id", "7,3", "--json"]
    answer = json.loads(printed(capsys, mistique(*arguments)))
    expected = houses.loc[[7, 3]].reset_index()
    assert answer["columns"] == list(expected.columns)
    assert answer["rows"] == expected.astype(object).where(expected.notna(), None).to_numpy().tolist()


def test_diagnose_topk(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    arguments = ["diagnose", "topk", "homes.linear.source.price", "-k", "4"]
    answer = json.loads(printed(capsys, mistique(*arguments, "--json")))
    assert answer["rows"] == [[int(row), value] for row, value in houses["price"].nlargest(4).items()]
    assert answer["plan"].startswith("homes.linear@2.source: ")
    answer = json.loads(printed(capsys, mistique(*arguments, "--json", "--no-largest", "--where", "rooms>=3")))
    roomy = houses[houses["rooms"] >= 3]
    assert answer["rows"] == [[int(row), value] for row, value in roomy["price"].nsmallest(4).items()]
    out = printed(capsys, mistique(*arguments)).splitlines()
    assert out[0].startswith("The 4 largest values of price in homes.linear@2.source, from ")
    assert [int(line.split()[0]) for line in out[2:6]] == houses["price"].nlargest(4).index.tolist()


def test_diagnose_col_diff(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    arguments = ["diagnose", "col_diff", "homes.linear.source.price", "homes.forest@2.source.price"]
    distance = (houses["price"] - houses["price"].round(0)).abs()
    for tolerance in ("0", "0.2"):
        answer = json.loads(printed(capsys, mistique(*arguments, "--json", "--tolerance", tolerance)))
        assert {row[0] for row in answer["rows"]} == set(houses.index[distance > float(tolerance)])
        assert answer["facts"]["compared_rows"] == 50
    out = printed(capsys, mistique(*arguments))
    assert f"20 of {(distance > 0).sum()} rows; --json prints up to 1,000, --save saves all" in out


def test_diagnose_confusion_matrix(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    columns = ["homes.linear.source.rooms", "homes.linear.source.town"]
    answer = json.loads(printed(capsys, mistique("diagnose", "confusion_matrix", *columns, "--json")))
    counts = {
        (row[0], name): count for row in answer["rows"] for name, count in zip(answer["columns"], row, strict=True)
    }
    for (rooms, town), count in houses.groupby(["rooms", "town"]).size().items():
        assert counts[str(rooms) if str(rooms) in counts else rooms, f"predicted {town}"] == count
    assert answer["facts"] == {"right_rows": 0, "compared_rows": 50, "missing_rows": 0, "normalize": "none"}


def test_diagnose_lists_the_techniques(mistique: Command, capsys: Capture) -> None:
    out = printed(capsys, mistique("diagnose"))
    assert [line.split()[0] for line in out.splitlines()[1:-1]] == list(TECHNIQUES)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_every_technique_has_its_help(mistique: Command, capsys: Capture, name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        mistique("diagnose", name, "--help")
    assert caught.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert TECHNIQUES[name].question in out
    for item in TECHNIQUES[name].parameters:
        assert item.help in out


def test_diagnose_saves_all_rows(mistique: Command, houses: pd.DataFrame, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "answer.csv"
    rows = ",".join(map(str, houses.index[::-1]))
    printed(capsys, mistique("diagnose", "pointq", "homes.linear.source", "--row-id", rows, "--save", str(file)))
    pd.testing.assert_frame_equal(as_frame(file.read_text()), houses[::-1])


def test_stats(mistique: Command, location: Path, capsys: Capture) -> None:
    numbers = json.loads(printed(capsys, mistique("stats", "--json")))
    with Mistique.open(location) as store:
        listed = store.intermediates()
    assert numbers["intermediates"] == len(listed)
    assert numbers["logical_bytes"] == listed["logical_bytes"].sum()
    files = [file for file in (location / "partitions").rglob("*") if file.is_file()]
    assert numbers["partition_bytes"] == sum(file.stat().st_size for file in files)
    assert {model["model"]: model["versions"] for model in numbers["models"]} == {
        "linear": 2,
        "forest": 2,
        ODD_MODEL: 1,
    }
    out = printed(capsys, mistique("stats"))
    assert f"{len(listed)} intermediates, " in out
    assert "homes.linear" in out


def test_names_are_printed_literally(mistique: Command, capsys: Capture) -> None:
    """Brackets and colons in names are no markup."""
    key = f"odd.{ODD_MODEL}.:bug:"
    shown = f"odd.{ODD_MODEL}@1.:bug:"
    assert shown in printed(capsys, mistique("ls"))
    out = printed(capsys, mistique("show", key))
    assert out.startswith(f"{shown}\n")
    assert ODD_COLUMN in out
    assert ODD_COLUMN in printed(capsys, mistique("get", key))
    assert shown in printed(capsys, mistique("explain", key))
    assert f"odd.{ODD_MODEL} " in printed(capsys, mistique("stats"))
    arguments = ["diagnose", "topk", f"{key}.{ODD_COLUMN}"]
    lines = printed(capsys, mistique(*arguments)).splitlines()
    assert lines[0].startswith(f"The 2 largest values of {ODD_COLUMN} in {shown}")
    assert lines[1].split() == ["row_id", ODD_COLUMN]


def test_the_environment_names_the_store(location: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("MISTIQUE_HOME", str(location))
    assert "homes.linear@2.source" in printed(capsys, main(["ls"]))
    monkeypatch.setenv("MISTIQUE_HOME", str(location / "none"))
    catalogue = f"sqlite:///{location / 'catalogue.db'}"
    assert "homes.linear@2.source" in printed(capsys, main(["--store", str(location), "--catalogue", catalogue, "ls"]))


@pytest.mark.parametrize(
    "command", [[], *([name] for name in ("ls", "show", "get", "explain", "diagnose", "stats", "demo", "reconcile"))]
)
def test_help(command: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert printed(capsys, 0).startswith("usage: mistique")


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert printed(capsys, 0).startswith("mistique ")
