"""Answers are saved in every format, and read back as what they were."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import col_diff, confusion_matrix, pointq, topk
from mistique_core.errors import InvalidInputError, StorageError

pytest.importorskip("plotly", reason="needs the extra 'ui'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_tables(store: Mistique, frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    frame = frames["first"]
    result = pointq(store, "p.first.x", frame.index)
    assert result.save(tmp_path / "a.parquet") == tmp_path / "a.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet").set_index("row_id"), result.frame)
    result.save(str(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_text() == result.frame.to_csv()
    result.save(tmp_path / "a.JSON")
    saved = json.loads((tmp_path / "a.JSON").read_text())
    assert saved["rows"] == result.to_json()["rows"]
    assert saved["plan"] == result.plan.explain()


def test_more_rows_than_a_page_shows(tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store") as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"v": range(1_500)}))
        result = topk(store, "p.m.x.v", 1_500)
    assert len(json.loads(result.save(tmp_path / "a.json").read_text())["rows"]) == 1_500
    assert "100 of 1,500 rows" in result.save(tmp_path / "a.html").read_text()


def test_labels_of_several_kinds_become_text_in_parquet(store: Mistique, tmp_path: Path) -> None:
    matrix = confusion_matrix(store, "p.first.x.word", "p.first.x.whole")
    saved = pd.read_parquet(matrix.save(tmp_path / "a.parquet"))
    assert saved["truth"].tolist() == [str(value) for value in matrix.frame.index]
    assert saved.iloc[:, 1:].to_numpy().tolist() == matrix.frame.to_numpy().tolist()


def test_a_page_holds_all_it_needs_and_escapes_what_it_shows(tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store") as store:
        frame = pd.DataFrame({"<script>alert(1)</script>": ["<img src=x>", "b"], "c": ["b", "b"]})
        store.log_frame("p", "m", "x", frame)
        result = col_diff(store, "p.m.x.<script>alert(1)</script>", "p.m.x.c")
    page = result.save(tmp_path / "a.html").read_text()
    assert "<script>alert(1)" not in page
    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;" in page
    assert "<script src=" not in page
    assert "Plotly.newPlot" in page
    assert len(page) > 1_000_000  # Plotly's own script


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; on Debian: apt-get install chromium")
def test_a_page_needs_no_network_and_draws_its_figure(store: Mistique, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra 'dev'")
    path = topk(store, "p.first.x.whole", 5).save(tmp_path / "a.html")
    asked: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(".main-svg .bars path")
        assert page.locator(".bars path").count() == 5
        assert page.locator("table tr").count() == 6
        browser.close()
    assert [url for url in asked if url.startswith("http")] == []


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; on Debian: apt-get install chromium")
def test_a_picture(store: Mistique, tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="needs the extra 'ui'")
    content = topk(store, "p.first.x.whole", 5).save(tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1600, 900)


def test_a_picture_without_a_browser_names_the_remedy(
    store: Mistique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kaleido", reason="needs the extra 'ui'")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    with pytest.raises(InvalidInputError, match=r"none was found; install one .*or save as .html"):
        topk(store, "p.first.x.whole").save(tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(("name", "error", "message"), [
    ("a.gif", InvalidInputError, r"cannot tell the format of .*; end it with .html, .png, .parquet, .csv, .json"),
    ("a", InvalidInputError, "cannot tell the format"),
    ("nowhere/a.csv", StorageError, "No such file or directory; choose another file"),
])  # fmt: skip
def test_what_cannot_be_saved(store: Mistique, tmp_path: Path, name: str, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        topk(store, "p.first.x.whole").save(tmp_path / name)
