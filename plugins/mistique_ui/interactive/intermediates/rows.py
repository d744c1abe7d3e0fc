"""The rows of a table, block by block as the reader scrolls, in stored order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mistique_core.diagnostics.result import as_json
from mistique_core.errors import InvalidInputError
from mistique_ui.interactive.intermediates.subject import Subject
from mistique_ui.interactive.theme import grid

if TYPE_CHECKING:
    from mistique_ui.interactive.viewer import Viewer

MOST_COLUMNS = 60
MOST_BLOCK = 500
_SHOWN = {"function": "answerText(params.value)"}


def rows_grid(subject: Subject) -> Any:
    """Return the empty table, which asks for its rows."""
    columns: list[dict[str, Any]] = [{"field": "row_id", "headerName": "row_id", "pinned": "left", "width": 110}]
    columns += [
        {
            "field": f"c{place}",
            "headerName": name,
            "width": 130,
            "valueFormatter": {"function": "answerText(params.value)"},
        }
        for place, name in enumerate(subject.names[:MOST_COLUMNS])
    ]
    return grid("intermediates-rows", columns, defaultColDef={"sortable": False}, style={"height": "330px"})


def block(viewer: Viewer, subject: Subject, request: Any) -> dict[str, Any]:
    """Return the rows that the table asks for.

    Raises
    ------
    InvalidInputError
        If the request is no range.
    """
    start, stop = _range(request)
    names = subject.names[:MOST_COLUMNS]
    ids = viewer.store.row_ids(subject.key, start=start, stop=stop)
    if not len(ids):
        return {"rowData": [], "rowCount": subject.record.ref.rows}
    keys = [f"{subject.key}.{name}" for name in names]
    frame = viewer.store.get_intermediates(keys, row_id=ids, strategy="read").to_pandas()
    found = [
        {"row_id": int(row_id), **{f"c{place}": _cell(value) for place, value in enumerate(values)}}
        for row_id, values in zip(ids, frame.itertuples(index=False, name=None), strict=True)
    ]
    return {"rowData": found, "rowCount": subject.record.ref.rows}


def _range(request: Any) -> tuple[int, int]:
    bounds = (request.get("startRow"), request.get("endRow")) if isinstance(request, dict) else (None, None)
    start, stop = (item if isinstance(item, int) and not isinstance(item, bool) else -1 for item in bounds)
    if not 0 <= start < stop < 2**53 or stop - start > MOST_BLOCK:
        raise InvalidInputError(f"rows {str(bounds)[:60]} are no block of at most {MOST_BLOCK}; load the page again")
    return start, stop


def _cell(value: Any) -> Any:
    plain = as_json(value)
    return plain if plain is None or isinstance(plain, (str, int, float, bool)) else str(plain)
