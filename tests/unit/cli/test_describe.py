"""What ``mistique describe`` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def test_text_shows_schema_sizes_and_lineage(mistique: Command, houses: pd.DataFrame, capsys: Capture) -> None:
    assert mistique("describe", "homes.linear@1.parts_test") == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "homes.linear@1.parts_test"
    assert lines[1].startswith("25 rows, 3 columns, ")
    assert [line.split()[:2] for line in lines[3:6]] == [["rooms", "int64"], ["price", "float64"], ["town", "str"]]
    assert "homes.linear@1.source" in out
    assert "stage     parts (" in out


def test_json_is_the_same(mistique: Command, capsys: Capture) -> None:
    assert mistique("describe", "homes.linear@2.parts_test", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["key"], document["rows"]) == ("homes.linear@2.parts_test", 25)
    assert document["stage"]["reused_from"] == "homes.linear@1.parts"
    assert [column["type"] for column in document["columns"]] == ["int64", "float64", "str"]


def test_croissant_goes_into_a_folder(
    mistique: Command, houses: pd.DataFrame, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is named, or one named by the key."""
    monkeypatch.chdir(tmp_path)
    assert mistique("describe", "homes.linear@1.source", "--format", "croissant") == 0
    assert mistique("describe", "homes.linear@1.source", "--format", "croissant", "-o", "here") == 0
    assert "50 rows" in capsys.readouterr().out
    for folder in ("homes.linear@1.source", "here"):
        assert json.loads((tmp_path / folder / "croissant.json").read_text())["name"] == "homes.linear@1.source"
        read = pd.read_parquet(tmp_path / folder / "data.parquet").set_index("row_id")
        pd.testing.assert_frame_equal(read, houses, check_dtype=False)


def test_options_without_their_format(mistique: Command, capsys: Capture, tmp_path: Path) -> None:
    assert mistique("describe", "homes.linear.source", "-o", str(tmp_path)) == 1
    assert "--format croissant" in capsys.readouterr().err
