"""The storage page in the browser, against ``store.stats()`` and ``store.savings()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistique_ui.formats import format_bytes

from mistique_core.modeldb.browse import stored_versions
from tests.pages.conftest import StandAlone


def cells(grid: Any, row: int = 0) -> dict[str, str]:
    """Return the texts of a row of a table by the column's field."""
    found = grid.locator(f'.ag-center-cols-container [row-index="{row}"] [role=gridcell]')
    found.first.wait_for()
    return {item.get_attribute("col-id"): item.inner_text() for item in found.all()}


def test_bytes_are_those_of_the_store(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/storage")  # the old address
    page.get_by_role("heading", name="Storage", exact=True).wait_for()
    assert "/mistique/app/storage" in page.url
    stats, saved = site.store.stats(), site.store.savings()
    facts = dict(
        zip(page.locator(".facts dt").all_inner_texts(), page.locator(".facts dd").all_inner_texts(), strict=True)
    )
    assert facts["Logged by stages"] == format_bytes(stats.logical_bytes)
    assert facts["Partition files"] == format_bytes(stats.partition_bytes)
    assert facts["Intermediates"] == str(stats.intermediates)
    page.locator("#storage-steps-table").wait_for()
    rows = page.locator("#storage-steps-table tbody tr").all()
    shown = {row.locator("th").inner_text().split("\n")[0]: row.locator("td").first.inner_text() for row in rows}
    for name, size in (
        ("Logged by stages", saved.logged_bytes),
        ("Reuse", -saved.reused_bytes),
        ("Exact dedup, columns", -saved.repeated_bytes),
        ("Encoding", -saved.encoded_bytes),
        ("Stored", saved.stored_bytes),
    ):
        assert shown[name] == format_bytes(size).replace("-", "−")
    scheme = cells(page.locator("#storage-schemes"))
    assert scheme["scheme"] == "lossless"
    assert scheme["stored"] == format_bytes(saved.stored_bytes)
    models = page.locator("#storage-models")
    for number, item in enumerate(stats.models):
        row = cells(models, number)
        assert (row["model"], row["intermediates"]) == (item.model, str(item.intermediates))
        assert row["stored_bytes"] == format_bytes(item.stored_bytes)
    assert "mistique check --read-data" in page.locator("#storage-check").inner_text()


def test_worth_and_a_budget_to_try(site: StandAlone, open_page: Callable[..., Any]) -> None:
    with site.store.catalogue.read() as connection:
        version = next(item for item in stored_versions(connection) if item.model == "tree")
    page = open_page(site, f"/mistique/app/storage?version={version.id}")
    row = cells(page.locator("#storage-worth"))
    listed = site.store.intermediates("attrition", "tree")
    assert row["name"] == listed["intermediate"][0]
    assert row["logged"] == format_bytes(listed["logical_bytes"][0])
    limit = 5_000
    report = site.store.materialize("attrition", "tree", policy={"policy": "budget", "bytes": limit}, dry_run=True)
    assert report.let_go
    page.get_by_label("Budget in MB").fill(str(limit / 1e6))
    page.get_by_role("button", name="What would go?").click()
    told = page.locator("#storage-tried")
    told.get_by_text(f"{len(report.let_go)} of {len(listed)} intermediates would go").wait_for()
    assert set(told.locator("li").all_inner_texts()) == set(report.let_go)
    assert all(site.store.intermediates("attrition", "tree")["kept"])


def test_a_version_that_is_none_is_refused_with_the_remedy(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/storage?version=none")
    page.get_by_text("version='none' is no number").wait_for()
    page.get_by_text("open the page from a link").wait_for()
