"""Read AG Grid's cells in the browser."""

from __future__ import annotations

from typing import Any


def cells(page: Any, grid: str, column: str) -> list[str]:
    """Return the texts of a column's rendered cells, by row."""
    rows = page.locator(f"#{grid} .ag-row [col-id='{column}']")
    found = [(int(cell.evaluate("cell => cell.closest('[row-index]').getAttribute('row-index')")), cell.inner_text())
             for cell in rows.all()]  # fmt: skip
    return [text for _, text in sorted(found)]


def until_cells(page: Any, grid: str, column: str, expected: list[str]) -> None:
    """Wait until a column shows these texts."""
    page.wait_for_function(
        """([grid, column, expected]) => {
            const rows = [...document.querySelectorAll(`#${grid} .ag-row [col-id="${CSS.escape(column)}"]`)];
            const at = (cell) => Number(cell.closest("[row-index]").getAttribute("row-index"));
            const shown = rows.sort((a, b) => at(a) - at(b)).map((cell) => cell.innerText.trim());
            return JSON.stringify(shown) === JSON.stringify(expected);
        }""",
        arg=[grid, column, expected],
    )
