"""``mistique import-run``."""

import io
import json
from pathlib import Path

import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.modeldb.light_api import to_document
from tests.unit.modeldb.light_api.conftest import LISTING

Capture = pytest.CaptureFixture[str]


def test_files(tmp_path: Path, capsys: Capture) -> None:
    """The store is made; what is right is recorded, once, and what is wrong is named with its line."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(LISTING)
    bad.write_text(LISTING.replace("TAG: train\n  CONFIG", "TAG: [train]\n  CONFIG"))
    command = ["--store", str(tmp_path / "store"), "import-run"]
    assert main([*command, str(bad), str(good)]) == 1
    printed = capsys.readouterr()
    assert f"{bad}:18: MODEL.TAG: ['train'] is not a text" in printed.err
    assert printed.out.splitlines()[1].split("  ")[0] == "Sample Model"
    assert f"{good} recorded as light_api.Sample Model@1 (run good " in printed.out
    assert main([*command, str(good), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["is_new"], found["version"]) == (False, "light_api.Sample Model@1")
    with Mistique.open(tmp_path / "store") as store:
        assert to_document(store, found["name"], found["run_id"])["MODEL"]["owner"] == "bob"


def test_names_and_standard_input(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["--store", str(tmp_path / "store"), "import-run", "--project", "p", "--model", "m"]
    monkeypatch.setattr("sys.stdin", io.StringIO('{"MODEL": {"NAME": "[red]x", "TYPE": "t", "CONFIG": {}}}'))
    assert main([*command, "-"]) == 0
    out = capsys.readouterr().out
    assert "[red]x" in out
    assert "- recorded as p.m@1" in out


@pytest.mark.parametrize(("files", "message"), [(["none.yaml"], "cannot be read"), (["-", "-"], "give '-' once")])
def test_refused(tmp_path: Path, capsys: Capture, files: list[str], message: str) -> None:
    """Where nothing is recorded, no store is made."""
    assert main(["--store", str(tmp_path / "store"), "import-run", *files]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
