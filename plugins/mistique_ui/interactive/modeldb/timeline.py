"""The timeline of a project's runs: an overview with a brush, the part that it chooses, a card of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from mistique_core.modeldb.explore.records import RunValues
from mistique_core.modeldb.explore.thinning import thinned
from mistique_ui.interactive.theme import SERIES, SYMBOLS

MOST_POINTS = 2_000
MOST_OVERVIEW = 600
MOST_TICKS = 16
NO_MODEL = "no model"
OTHERS = "others"


@dataclass(frozen=True)
class Timeline:
    """What is drawn.

    Attributes
    ----------
    values
        Of all runs, the metrics and ``type``.
    metrics
        Fields of metrics, such as ``metrics.auc``.
    by_time
        Whether x is the moment of start, else the number of the run.
    zone
        Time zone of the viewer.
    """

    values: RunValues
    metrics: tuple[str, ...]
    by_time: bool
    zone: str

    def x(self, rows: npt.NDArray[np.int64]) -> list[Any]:
        """Return the x of some runs: moments in the viewer's zone, or numbers of runs."""
        if not self.by_time:
            return [int(value) for value in self.values.run_ids[rows]]
        zone = zone_of(self.zone)
        return [
            None if np.isnan(value) else datetime.fromtimestamp(value, zone).strftime("%Y-%m-%d %H:%M:%S.%f")
            for value in self.values.started_at[rows]
        ]

    def within(self, low: Any, high: Any) -> npt.NDArray[np.bool_]:
        """Return which runs a range of x holds, both ends inclusive; all for a range that is none."""
        every = np.ones(len(self.values.run_ids), bool)
        if low is None or high is None:
            return every
        if not self.by_time:
            return (self.values.run_ids >= float(low)) & (self.values.run_ids <= float(high))
        first, last = (seconds_of(item, self.zone) for item in (low, high))
        with np.errstate(invalid="ignore"):
            return (self.values.started_at >= first) & (self.values.started_at <= last)


def zone_of(name: str) -> ZoneInfo | Any:
    """Return a time zone; UTC for one that is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def seconds_of(text: Any, zone: str) -> float:
    """Return Unix seconds of a moment that the browser's figure names."""
    moment = datetime.fromisoformat(str(text)[:26])
    return moment.replace(tzinfo=zone_of(zone)).timestamp()


def chosen_types(values: RunValues) -> dict[str, str]:
    """Return model type -> colour: the most frequent ones, then all others together."""
    types = [NO_MODEL if item is None else str(item) for item in values.texts["type"]]
    names, counts = np.unique(np.array(types, object), return_counts=True) if types else (np.array([]), np.array([]))
    order = sorted(zip(counts.tolist(), names.tolist(), strict=True), key=lambda item: (-item[0], item[1]))
    shown = [name for _, name in order[: len(SERIES) - (len(order) > len(SERIES))]]
    colours = dict(zip(shown, SERIES, strict=False))
    if len(order) > len(shown):
        colours[OTHERS] = SERIES[-1]
    return colours


def detail_figure(timeline: Timeline, low: Any, high: Any) -> tuple[go.Figure, int, int]:
    """Return the figure of a range of x, the number of values in it, and how many of them are drawn."""
    values, colours = timeline.values, chosen_types(timeline.values)
    inside = timeline.within(low, high)
    types = np.array([_shown(item, colours) for item in values.texts["type"]], object)
    figure, total, drawn = go.Figure(), 0, 0
    each = max(4, MOST_POINTS // max(1, len(timeline.metrics)))
    for number, metric in enumerate(timeline.metrics):
        series = np.where(inside, values.numbers[metric], np.nan)
        rows = thinned(series, each)
        total += int(np.count_nonzero(~np.isnan(series)))
        drawn += len(rows)
        for name, colour in colours.items():
            of_type = rows[types[rows] == name]
            if not len(of_type):
                continue
            figure.add_scatter(
                x=timeline.x(of_type),
                y=series[of_type],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=not any(trace.legendgroup == name for trace in figure.data),
                marker={"color": colour, "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9, "opacity": 0.85},
                customdata=[int(values.run_ids[row]) for row in of_type],
                hovertemplate=f"{escaped(name)}<br>{escaped(metric)} %{{y:.5g}}<br>run %{{customdata}}, %{{x}}"
                "<extra></extra>",
            )
    if len(timeline.metrics) > 1:
        for number, metric in enumerate(timeline.metrics):
            marker = {"color": "#7a8796", "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9}
            figure.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=escaped(metric.partition(".")[2]),
                marker=marker,
                hoverinfo="skip",
            )
    x_title = f"Started ({timeline.zone})" if timeline.by_time else "Run number"
    y_title = escaped(timeline.metrics[0].partition(".")[2]) if len(timeline.metrics) == 1 else "Metrics"
    figure.update_layout(
        xaxis={"title": x_title, **_axis(timeline)},
        yaxis={"title": y_title},
        hovermode="closest",
        clickmode="event",
        dragmode="zoom",
        margin={"t": 10},
        uirevision="timeline",
    )
    return figure, total, drawn


def _axis(timeline: Timeline) -> dict[str, Any]:
    """Return what x is; of few runs every number is a tick, so that none falls between two of them."""
    if timeline.by_time:
        return {"type": "date"}
    is_narrow = np.ptp(timeline.values.run_ids) <= MOST_TICKS if len(timeline.values.run_ids) else False
    return {"type": "linear", "tickformat": ",d", **({"dtick": 1} if is_narrow else {})}


def overview_figure(timeline: Timeline, low: Any, high: Any) -> go.Figure:
    """Return the small figure of all runs, in which a range is brushed."""
    figure = go.Figure()
    each = max(4, MOST_OVERVIEW // max(1, len(timeline.metrics)))
    for metric in timeline.metrics:
        rows = thinned(timeline.values.numbers[metric], each)
        figure.add_scatter(
            x=timeline.x(rows),
            y=timeline.values.numbers[metric][rows],
            mode="markers",
            marker={"color": "#7a8796", "size": 4},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_layout(
        xaxis={"type": "date" if timeline.by_time else "linear", "fixedrange": True, "showticklabels": False},
        yaxis={"visible": False, "fixedrange": True},
        dragmode="select",
        selectdirection="h",
        margin={"t": 4, "b": 8, "l": 56},
        newselection={"line": {"color": SERIES[0]}},
        uirevision="overview",
    )
    if low is not None and high is not None:
        figure.add_vrect(x0=low, x1=high, fillcolor=SERIES[0], opacity=0.15, line_width=0)
    return figure


def _shown(item: Any, colours: dict[str, str]) -> str:
    name = NO_MODEL if item is None else str(item)
    return name if name in colours else OTHERS


def escaped(text: str) -> str:
    """Return a name for Plotly, which reads tags such as ``<b>`` in texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "%&#123;")


def metric_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """Return those fields that are metrics."""
    return tuple(field for field in fields if field.startswith("metrics."))
