"""The question page in the browser, against the techniques asked from Python."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pandas as pd
import pytest
from mistique_ui.repeat import command_line

from mistique_core.cli.main import build_parser
from mistique_core.diagnostics import TECHNIQUES, diagnose
from tests.pages.conftest import StandAlone

SCORE = "attrition.forest.predictions.probability_1"
REQUESTS: dict[str, dict[str, Any]] = {
    "pointq": {"keys": ["attrition.forest.scaled_test.Age"], "row_id": [2, 3]},
    "topk": {"key": SCORE, "k": 7, "largest": False, "columns": ["attrition.forest.predictions.Attrition"]},
    "col_dist": {"key": "attrition.forest.scaled_test.Age", "group": "attrition.forest.predictions.Attrition"},
    "col_diff": {"key_a": SCORE, "key_b": "attrition.tree.predictions.probability_1", "tolerance": 0.1},
    "group_metrics": {
        "truth": "attrition.forest.predictions.Attrition",
        "predictions": ["attrition.forest.predictions.prediction", "attrition.tree.predictions.prediction"],
        "where": [f"{SCORE}>=0.1"],
    },
    "svcca": {"keys_a": ["attrition.forest.scaled_test"], "keys_b": ["attrition.tree.scaled_test.Age"]},
    "row_average_compare": {"keys": ["attrition.forest.scaled_test"], "row_id": 2, "label": 1},
}


def address(technique: str, request: dict[str, Any]) -> str:
    return f"/mistique/app/ask?{urlencode({'technique': technique, 'request': json.dumps(request)})}"


def rows(store: Any) -> list[int]:
    return [int(item) for item in store.get_intermediates("attrition.forest.predictions").row_id[:3]]


def table(page: Any) -> list[list[str]]:
    page.locator("#ask-table .ag-center-cols-container [role=row]").first.wait_for()
    shown = page.locator("#ask-table .ag-center-cols-container [role=row]").all()
    return [row.get_by_role("gridcell").all_inner_texts() for row in shown]


def test_what_can_be_read_is_answered_at_once_as_from_python(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/ask")
    for technique in ("pointq", "topk", "col_dist", "group_metrics"):
        request = dict(REQUESTS[technique])
        if technique == "pointq":
            request["row_id"] = rows(site.store)
        page.goto(f"{site.url}{address(technique, request)}")
        assert_answered(page, diagnose(site.store, technique, request))


def assert_answered(page: Any, expected: Any) -> None:
    page.locator("#ask-sentence").wait_for()
    assert page.locator("#ask-sentence").inner_text() == expected.sentence
    answer = expected.to_json()
    shown = table(page)
    for got, wanted in zip(shown[:5], answer["rows"], strict=False):
        for text, value in zip(got, wanted, strict=True):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert float(text) == pytest.approx(value, rel=1e-5)
            elif value is not None:
                assert text == str(value)
    plan = page.locator("#ask-plan").inner_text()
    assert "Estimate to read" in plan
    assert "Estimate to re-run" in plan


def test_a_form_that_is_filled_in_becomes_an_address_and_files(
    site: StandAlone, open_page: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the code that the page shows saves a file
    page = open_page(site, "/mistique/app/ask?technique=topk")
    page.get_by_text("Fill in Key.").wait_for()
    page.locator(".ask-one", has_text="Key *").get_by_role("button").first.click()
    page.get_by_role("searchbox").fill("attrition.forest.predictions.")
    page.get_by_text(SCORE, exact=True).click()
    page.get_by_label("K", exact=True).fill("5")
    page.get_by_label("K", exact=True).press("Enter")
    expected = diagnose(site.store, "topk", {"key": SCORE, "k": 5})
    page.get_by_text(expected.sentence).wait_for()
    query = parse_qs(urlsplit(page.url).query)
    assert query["technique"] == ["topk"]
    assert json.loads(query["request"][0]) == {"key": SCORE, "k": 5}
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "answer.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "answer.csv", index_col="row_id"), expected.frame)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Parquet").click()
    saved.value.save_as(tmp_path / "answer.parquet")
    got = pd.read_parquet(tmp_path / "answer.parquet").set_index("row_id")
    pd.testing.assert_frame_equal(got, expected.frame)
    page.locator("#ask-figure").hover()
    with page.expect_download() as saved:
        page.locator("#ask-figure .modebar-btn").first.click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")
    names: dict[str, Any] = {}
    exec(page.locator("#ask-code").inner_text(), names)  # what the page tells people to run
    pd.testing.assert_frame_equal(names["answer"].frame, expected.frame)


def test_every_technique_has_a_form_of_its_parameters(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/ask")
    page.get_by_text("Fill in Key.").wait_for()
    for name in ("netdissect", "group_metrics", "row_average_compare"):
        page.goto(f"{site.url}{address(name, {})}")
        page.get_by_text(re.compile("^Fill in")).wait_for()
        labels = page.locator("#ask-form .field > span").all_inner_texts()
        wanted = [f"{item.title} *" if item.required else item.title for item in TECHNIQUES[name].parameters]
        assert sorted(labels) == sorted(wanted)


def test_what_needs_a_rerun_says_so_and_how_to_do_it(site: StandAlone, open_page: Callable[..., Any]) -> None:
    request = {"key": SCORE, "strategy": "rerun"}
    page = open_page(site, address("topk", request))
    page.get_by_text("A re-run was asked for").wait_for()
    assert page.locator(".ask-command").inner_text() == command_line("topk", request, site.store.config.location)
    assert page.get_by_role("button", name="Ask the query DAG").count() == 0


MISTAKES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("topk", {"key": "attrition.forest.predictions.probabilty_1"}, "did you mean 'probability_1'"),
    ("topk", {"key": SCORE, "k": 0}, "k=0 is out of range; give an integer of at least 1"),
    ("topk", {"key": SCORE, "k": "many"}, "k='many' is no number; write a number"),
    ("col_dist", {"key": SCORE, "where": ["probability_1"]}, "has no comparison"),
    ("pointq", {"keys": ["attrition.forest.predictions"], "row_id": [-5]}, "row_id -5 is not in the intermediate"),
)


def test_mistakes_are_named_with_the_remedy(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/ask")
    for technique, request, told in MISTAKES:
        page.goto(f"{site.url}{address(technique, request)}")
        page.get_by_role("alert").first.wait_for()
        assert told in page.get_by_role("alert").first.inner_text()


@pytest.mark.parametrize("technique", REQUESTS)
def test_the_command_asks_the_same(technique: str) -> None:
    """By the parser of the command line itself."""
    request = REQUESTS[technique]
    words = shlex.split(command_line(technique, request, "/a store"))
    assert words[0] == "mistique"
    args = build_parser().parse_args(words[1:])
    assert args.store == "/a store"
    known = TECHNIQUES[technique]
    parsed = {item.name: getattr(args, item.name) for item in known.parameters}
    assert known.check(parsed) == known.check(request)
