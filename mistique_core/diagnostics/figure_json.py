"""A figure as a document of bounded size, which a page draws without the data, without pandas and without WebGL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_BYTES = 2_000_000
MOST_POINTS = 5_000
_FEWEST_POINTS = 100
_WITHOUT_WEBGL = {"scattergl": "scatter", "heatmapgl": "heatmap", "scatterpolargl": "scatterpolar"}
_GRIDS = frozenset({"heatmap", "contour"})
_SAMPLED = frozenset({"scatter", "scatterpolar", "bar", "box", "violin", "histogram", "table"})


@dataclass(frozen=True)
class FigureDocument:
    """A figure as JSON.

    Attributes
    ----------
    json
        ``{"data", "layout", "note"}``; ``None`` where even a few points take more than allowed.
    note
        What of the answer it does not show, in one sentence; empty if it shows everything.
    """

    json: str | None
    note: str


def figure_document(figure: Figure, *, most_bytes: int = MOST_BYTES, most_points: int = MOST_POINTS) -> FigureDocument:
    """Return a figure as JSON of at most `most_bytes`.

    Traces that Plotly draws by WebGL become their equals in SVG: WebGL needs a script that compiles code, which a page
    with a strict content security policy forbids.

    Parameters
    ----------
    figure
        A Plotly figure.
    most_bytes
        Largest length of the JSON, in bytes of UTF-8.
    most_points
        Most points of a trace; of more, evenly spaced ones and those with the smallest and largest coordinates are
        kept. Fewer where the JSON would be too long otherwise.
    """
    from plotly.io.json import to_json_plotly

    layout = figure.layout.to_plotly_json()
    traces = [_without_webgl(trace.to_plotly_json()) for trace in figure.data]
    limit = most_points
    while limit >= _FEWEST_POINTS:
        kept = [_restricted(trace, limit) for trace in traces]
        note = _note(traces, kept)
        text = str(to_json_plotly({"data": kept, "layout": layout, "note": note}))
        if len(text.encode()) <= most_bytes:
            return FigureDocument(text, note)
        limit //= 2
    return FigureDocument(None, f"The figure takes more than {most_bytes:,} bytes and is not kept.")


def _without_webgl(trace: dict[str, Any]) -> dict[str, Any]:
    return {**trace, "type": _WITHOUT_WEBGL.get(trace.get("type", ""), trace.get("type"))}


def _restricted(trace: dict[str, Any], limit: int) -> dict[str, Any]:
    kind = trace["type"]
    if kind in _GRIDS and trace.get("z") is not None:
        return _coarser(trace, limit)
    size = _points(trace) if kind in _SAMPLED else 0
    if size <= limit:
        return trace
    found: dict[str, Any] = _taken(trace, size, _chosen(trace, size, limit))
    return found


def _points(trace: dict[str, Any]) -> int:
    """Return the number of points of a trace: the length of its longest coordinate."""
    if trace["type"] == "table":
        return max((_length(column) for column in trace.get("cells", {}).get("values", ())), default=0)
    return max(_length(trace.get(name)) for name in ("x", "y", "r", "theta"))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (list, tuple, np.ndarray)) else 0


def _chosen(trace: dict[str, Any], size: int, limit: int) -> npt.NDArray[np.intp]:
    """Return the places of the points to keep, ascending."""
    extremes = set[int]()
    for name in ("x", "y", "r"):
        value = np.asarray(trace[name]) if _length(trace.get(name)) == size else np.empty(0)
        if value.dtype.kind in "iuf" and np.isfinite(value).any():
            extremes |= {int(np.nanargmin(value)), int(np.nanargmax(value))}
    even = np.linspace(0, size - 1, max(2, limit - len(extremes))).astype(np.intp)
    return np.union1d(even, np.array(sorted(extremes), dtype=np.intp))


def _taken(value: Any, size: int, places: npt.NDArray[np.intp]) -> Any:
    """Return a value with every array of `size` items in it restricted to some of its places."""
    if isinstance(value, dict):
        return {name: _taken(item, size, places) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return value[places] if len(value) == size else value
    if isinstance(value, (list, tuple)):
        if len(value) == size:
            return [value[place] for place in places]
        return [_taken(item, size, places) if isinstance(item, (list, np.ndarray)) else item for item in value]
    return value


def _coarser(trace: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return a heatmap with every n-th row and column, so that `limit` times ten cells stay."""
    z = np.asarray(trace["z"])
    if z.ndim != 2 or z.size <= 10 * limit:
        return trace
    step = 2
    while z[::step, ::step].size > 10 * limit:
        step += 1
    found = {**trace, "z": z[::step, ::step]}
    for name in ("customdata", "text", "hovertext"):
        cells = np.asarray(trace.get(name), dtype=object)
        if cells.shape[:2] == z.shape:
            found[name] = cells[::step, ::step]
    for name, length in (("x", z.shape[1]), ("y", z.shape[0])):
        if _length(trace.get(name)) == length:
            found[name] = list(trace[name])[::step]
    return found


def _note(traces: list[dict[str, Any]], kept: list[dict[str, Any]]) -> str:
    counts = [(_size(whole), _size(part)) for whole, part in zip(traces, kept, strict=True)]
    whole, part = (sum(item) for item in zip(*counts, strict=True)) if counts else (0, 0)
    return "" if part == whole else f"The figure shows {part:,} of {whole:,} values; the table's downloads have more."


def _size(trace: dict[str, Any]) -> int:
    if trace["type"] in _GRIDS and trace.get("z") is not None:
        return int(np.size(trace["z"]))
    return _points(trace) if trace["type"] in _SAMPLED else 0
