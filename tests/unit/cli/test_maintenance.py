"""The commands that delete, check and repair say what the store's own API does, in lines and as JSON."""

import dataclasses
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli import amounts
from mistique_core.cli.delete import parse_path
from mistique_core.cli.main import main
from mistique_core.errors import InvalidInputError
from mistique_core.workflows import ReadCsvStage, SplitStage

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def frame(seed: int) -> pd.DataFrame:
    return pd.DataFrame({"a": np.random.default_rng(seed).normal(size=500)}).rename_axis("row_id")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store that every test begins with."""
    folder = tmp_path_factory.mktemp("filled") / "store"
    with Mistique.open(folder) as store:
        for seed in range(4):
            store.log_frame("homes", f"m{seed}", "x", frame(seed))
    return folder


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    """Return a store of its own: these commands change it."""
    return Path(shutil.copytree(filled, tmp_path / "store"))


@pytest.fixture
def command(home: Path, capsys: Capture) -> Callable[..., str]:
    """Return a function that runs a command and gives what it printed, of which nothing is a complaint."""

    def run(*arguments: str, status: int = 0) -> str:
        assert main(["--store", str(home), *arguments]) == status
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return run


def complaint(capsys: Capture, home: Path, *arguments: str) -> str:
    """Return the one line in which a command says why it did nothing."""
    assert main(["--store", str(home), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mistique: ")
    assert err.count("\n") == 1
    return err


def models(home: Path) -> list[str]:
    with Mistique.open(home) as store:
        return sorted(store.intermediates()["model"])


def files(home: Path) -> list[Path]:
    return sorted((home / "partitions").rglob("*.h5"))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_delete_says_what_it_frees(command: Callable[..., str], home: Path) -> None:
    would = command("delete", "homes.m1", "--dry-run")
    assert would.startswith("would delete homes.m1: 1 versions, 0 stages, 1 intermediates; ")
    assert models(home) == ["m0", "m1", "m2", "m3"]
    did = command("delete", "homes.m1", "--yes")
    assert did.splitlines()[0] == would.splitlines()[0].replace("would delete", "deleted")
    assert models(home) == ["m0", "m2", "m3"]
    shown = json.loads(command("delete", "homes.m2@1.x", "-y", "--json"))
    assert (shown["what"], shown["intermediates"], shown["dry_run"]) == ("homes.m2@1.x", 1, False)
    assert shown["freed_bytes"] > 0


def test_delete_asks_first(command: Callable[..., str], home: Path, capsys: Capture) -> None:
    """Where nobody can answer, nothing is deleted."""
    error = complaint(capsys, home, "delete", "homes.m1")
    assert "nobody was asked whether to delete homes.m1 (1 intermediates, " in error
    assert "--yes" in error
    assert models(home) == ["m0", "m1", "m2", "m3"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("p", ("p", None, None, None)),
        ("p.m", ("p", "m", None, None)),
        ("p.m@3", ("p", "m", 3, None)),
        ("p.m.x", ("p", "m", None, "x")),
        ("p.m@12.x", ("p", "m", 12, "x")),
    ],
)
def test_what_a_path_names(path: str, expected: tuple[str, str | None, int | None, str | None]) -> None:
    assert parse_path(path) == expected


@pytest.mark.parametrize("path", ["", ".", "p.", ".m", "p.m.x.a", "p.m@", "p.m@0", "p.m@-1", "p.m@x", "p.@1", "p..x"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_path(path)


@pytest.mark.usefixtures("exact_dedup")
def test_gc_waits_for_the_grace_period(command: Callable[..., str], home: Path) -> None:
    command("delete", "homes.m1", "--yes")
    before = files(home)
    assert command("gc", "--dry-run").startswith("would remove 1 chunks (")
    assert "1 files (" in command("gc")
    assert files(home) == before
    would = json.loads(command("gc", "--grace", "0", "--json", "--dry-run"))
    did = json.loads(command("gc", "--grace", "0", "--json"))
    assert {**would, "dry_run": False} == did
    assert [path.name for path in before if path not in files(home)] == did["deleted_files"]
    assert len(did["deleted_files"]) == 1


def test_check_fails_where_something_is_wrong(command: Callable[..., str], home: Path) -> None:
    lines = command("check").splitlines()
    assert lines[0].startswith("4 intermediates, 5 columns, 5 chunks, 4 partitions (")
    assert lines[-1] == "no problems"
    assert "4 partitions" in command("check", "--read-data").splitlines()[1]
    assert json.loads(command("check", "--subset", "100%", "--json"))["covered"] == 4
    assert "the next check with --max-time goes on from there" in command("check", "--max-time", "0")
    damage(files(home)[0])
    assert command("check").splitlines()[-1] == "no problems"
    out = command("check", "--read-data", status=1)
    assert "damaged chunk: chunk " in out
    assert files(home)[0].name in out
    assert out.splitlines()[-1] == "1 problems"
    (problem,) = json.loads(command("check", "--read-data", "--json", status=1))["problems"]
    assert problem["kind"] == "damaged chunk"
    assert problem["remedy"]


def test_compact_merges(command: Callable[..., str], home: Path) -> None:
    would = command("compact", "--dry-run")
    assert would.startswith("would replace 4 partitions (")
    assert len(files(home)) == 4
    did = json.loads(command("compact", "--json"))
    assert (len(did["removed"]), len(did["written"]), did["problems"]) == (4, 1, [])
    command("gc", "--grace", "0s")
    assert [path.name for path in files(home)] == did["written"]
    assert command("compact").startswith("replaced 0 partitions (0 B) by 0 (0 B), 0 chunks moved")
    assert command("check", "--read-data").splitlines()[-1] == "no problems"
    with Mistique.open(home) as store:
        for seed in range(4):
            pd.testing.assert_frame_equal(store.get_intermediates(f"homes.m{seed}.x").frame, frame(seed))


def test_compact_leaves_damage_where_it_is(command: Callable[..., str], home: Path) -> None:
    damage(files(home)[0])
    assert "damaged chunk: " in command("compact", "--small", "1MiB", "--max-dead", "10%", status=1)


def test_rebuild_restores(command: Callable[..., str], home: Path) -> None:
    plain = sqlite3.connect(home / "catalogue.db")
    plain.executescript("DELETE FROM chunk; DELETE FROM partition")
    plain.close()
    command("check", status=1)
    assert command("rebuild", "--dry-run").startswith("would restore 4 partitions, 5 chunks and 0 columns")
    command("check", status=1)
    assert json.loads(command("rebuild", "--json"))["chunks"] == 5
    command("check", "--read-data")
    assert command("rebuild").startswith("restored 0 partitions, 0 chunks and 0 columns")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["delete", "house", "-y"], "project 'house' does not exist"),
        (["delete", "homes.m9", "-y"], "project 'homes' has no model 'm9'; known: m0, m1"),
        (["delete", "homes.m1@4", "-y"], "model homes.m1 has no version 4; known: @1"),
        (["delete", "homes.m1.z", "-y"], "has no intermediate 'z'"),
        (["delete", "a.b.c.d", "-y"], "is not of the form PROJECT[.MODEL"),
        (["check", "--subset", "9/8"], "subset '9/8' is neither like '1/5' nor like '2.5%'"),
        (["compact", "--rewrite", "abcx"], "no partition is named 'abcx'"),
    ],
)
def test_what_goes_wrong_is_one_line(capsys: Capture, home: Path, arguments: list[str], expected: str) -> None:
    assert expected in complaint(capsys, home, *arguments)


@pytest.mark.parametrize("name", ["delete", "gc", "check", "compact", "rebuild"])
def test_no_store_is_made(capsys: Capture, tmp_path: Path, name: str) -> None:
    arguments = [name, "p", "-y"] if name == "delete" else [name]
    assert "there is no store" in complaint(capsys, tmp_path / "none", *arguments)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (amounts.seconds, "90", 90.0),
        (amounts.seconds, "1.5h", 5400.0),
        (amounts.seconds, "3d", 259_200.0),
        (amounts.seconds, "30 m", 1800.0),
        (amounts.size_bytes, "8MiB", 8_388_608),
        (amounts.size_bytes, "1.5kB", 1500),
        (amounts.size_bytes, "0", 0),
        (amounts.share, "5%", 0.05),
        (amounts.share, "0.25", 0.25),
    ],
)
def test_amounts(parse: Callable[[str], float], text: str, expected: float) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gc", "--grace", "3x"], "'3x' is no duration; write 90s, 30m, 12h or 3d"),
        (["gc", "--grace", "-1"], "'-1' is no number"),
        (["compact", "--small", "8 apples"], "'8 apples' is no size"),
        (["compact", "--max-dead", "120%"], "'120%' is no share"),
        (["check", "--max-time", "soon"], "'soon' is no number"),
    ],
)
def test_wrong_amounts(capsys: Capture, home: Path, arguments: list[str], expected: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--store", str(home), *arguments])
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err


def test_json_has_every_field(command: Callable[..., str], home: Path) -> None:
    with Mistique.open(home) as store:
        reports = {
            "gc": store.gc(dry_run=True),
            "check": store.check(),
            "compact": store.compact(dry_run=True),
            "rebuild": store.rebuild(dry_run=True),
        }
    for name, report in reports.items():
        arguments = [name, "--json"] if name == "check" else [name, "--json", "--dry-run"]
        assert json.loads(command(*arguments)).keys() == dataclasses.asdict(report).keys()


def test_materialize_says_what_is_let_go(home: Path, command: Callable[..., str], tmp_path: Path) -> None:
    csv = tmp_path / "data.csv"
    frame(7).to_csv(csv, index=False)
    with Mistique.open(home) as store, store.run("homes", "split") as run:
        source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
        run.stage("parts", SplitStage(0.5, 0, None), {"data": source})
    would = command("materialize", "homes.split", "--dry-run")
    assert would.splitlines()[:2] == [
        "would let go of 2 intermediates: parts_train, parts_test",
        "1 stay: source",
    ]
    found = json.loads(command("materialize", "homes.split@1", "--json"))
    assert (found["let_go"], found["kept"], found["unequal"]) == (["parts_train", "parts_test"], ["source"], [])
    with Mistique.open(home) as store:
        listed = store.intermediates("homes", "split")
        assert listed.set_index("intermediate")["kept"].to_dict() == {
            "source": True,
            "parts_train": False,
            "parts_test": False,
        }
    assert command("materialize", "homes.split").startswith("let go of 0 intermediates: none")


def test_materialize_all_has_one_budget(
    home: Path, command: Callable[..., str], capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    csv = tmp_path / "data.csv"
    frame(7).to_csv(csv, index=False)
    with Mistique.open(home) as store:
        for model in ("split", "again"):
            with store.run("homes", model) as run:
                source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
                run.stage("parts", SplitStage(0.5, 1 if model == "again" else 0, None), {"data": source})
    assert "set budget_bytes" in complaint(capsys, home, "materialize", "--all")
    assert "name one model" in complaint(capsys, home, "materialize", "--all", "homes.split")
    monkeypatch.setenv("MISTIQUE_BUDGET_BYTES", "0")
    found = json.loads(command("materialize", "--all", "--json"))
    parts = {f"homes.{model}@1.parts_{name}" for model in ("split", "again") for name in ("train", "test")}
    assert set(found["let_go"]) == parts


def test_materialize_refuses_what_is_no_model(home: Path, capsys: Capture) -> None:
    assert "has no model 'splt'" in complaint(capsys, home, "materialize", "homes.splt")
