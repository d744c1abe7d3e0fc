"""Charts that a user puts together: a metric against any field, grouped, as points or as statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from mistique_core.modeldb.explore.aggregate import Aggregate, aggregate
from mistique_core.modeldb.explore.records import RunValues
from mistique_core.modeldb.explore.thinning import thinned
from mistique_ui.interactive.modeldb.timeline import MOST_POINTS, escaped
from mistique_ui.interactive.theme import SERIES, SYMBOLS

POINTS = "points"
HOW = (POINTS, *(item.value for item in Aggregate))
MOST_GROUPS = 24
MOST_BARS = 60


def custom_figure(values: RunValues, y: str, x: str, group: str | None, how: str) -> tuple[go.Figure, str]:
    """Return the figure, and what it leaves out.

    Parameters
    ----------
    values
        Of all runs, of the fields `y`, `x` and `group`.
    y
        A metric.
    x
        Any field.
    group
        A field, one colour a value; ``None`` for one group.
    how
        ``points``, or a statistic.
    """
    numbers = values.numbers[y]
    across = _axis(values, x)
    names = np.full(len(numbers), "", object) if group is None else _named(values, group)
    figure = go.Figure()
    if how == POINTS:
        note = _points(figure, values, numbers, across, names)
    else:
        note = _statistics(figure, numbers, across, names, how)
    title = escaped(y if how == POINTS else f"{how} of {y}")
    is_number = across.dtype != object
    figure.update_layout(
        xaxis={"title": escaped(x), "type": "linear" if is_number else "category"},
        yaxis={"title": title},
        barmode="group",
        hovermode="closest",
        margin={"t": 10},
        showlegend=group is not None,
    )
    return figure, note


def _axis(values: RunValues, field: str) -> npt.NDArray[Any]:
    """Return a field as numbers where all that are known are, else as texts."""
    texts, numbers = values.texts[field], values.numbers[field]
    known = np.array([item is not None for item in texts], bool)
    return numbers if known.any() and not np.isnan(numbers[known]).any() else texts


def _named(values: RunValues, field: str) -> npt.NDArray[np.object_]:
    """Return the group of each run: the most frequent values, then all others together."""
    texts = np.array(["none" if item is None else str(item)[:80] for item in values.texts[field]], object)
    names, counts = np.unique(texts, return_counts=True) if len(texts) else (np.array([]), np.array([]))
    kept = {name for _, name in sorted(zip(-counts, names, strict=True))[: MOST_GROUPS - 1]}
    return np.array([name if name in kept or len(names) <= MOST_GROUPS else "others" for name in texts], object)


def _points(
    figure: go.Figure,
    values: RunValues,
    numbers: npt.NDArray[np.float64],
    across: npt.NDArray[Any],
    names: npt.NDArray[np.object_],
) -> str:
    known = ~np.isnan(numbers) & np.array([item is not None and item == item for item in across], bool)
    order = np.argsort(across[known].astype(float)) if across.dtype != object else np.arange(np.count_nonzero(known))
    ordered = np.flatnonzero(known)[order]
    rows = ordered[thinned(numbers[ordered], MOST_POINTS)]
    for number, name in enumerate(dict.fromkeys(names[rows].tolist())):
        mine = rows[names[rows] == name]
        figure.add_scatter(
            x=across[mine].tolist(),
            y=numbers[mine],
            mode="markers",
            name=escaped(name),
            customdata=[int(values.run_ids[row]) for row in mine],
            marker={
                "color": SERIES[number % len(SERIES)],
                "symbol": SYMBOLS[(number // len(SERIES)) % len(SYMBOLS)],
                "size": 8,
                "opacity": 0.85,
            },
            hovertemplate="%{y:.5g} at %{x}<br>run %{customdata}<extra></extra>",
        )
    left = len(numbers) - int(np.count_nonzero(known))
    count = int(np.count_nonzero(known))
    note = f"{count:,} {'run' if count == 1 else 'runs'}"
    if len(rows) < len(ordered):
        note += f", of which {len(rows):,} are drawn, those that keep the outline"
    return note + (f"; {left:,} {'lacks' if left == 1 else 'lack'} one of the values" if left else "")


def _statistics(
    figure: go.Figure,
    numbers: npt.NDArray[np.float64],
    across: npt.NDArray[Any],
    names: npt.NDArray[np.object_],
    how: str,
) -> str:
    groups = aggregate(numbers, [across, names], how)
    places = sorted({group.keys[0] for group in groups}, key=lambda item: (isinstance(item, str), item))
    by_count: dict[Any, int] = {}
    for group in groups:
        by_count[group.keys[0]] = by_count.get(group.keys[0], 0) + group.count
    kept = (
        set(sorted(places, key=lambda place: -by_count[place])[:MOST_BARS]) if across.dtype == object else set(places)
    )
    is_number = across.dtype != object
    for number, name in enumerate(sorted({group.keys[1] for group in groups})):
        mine = sorted(
            (group for group in groups if group.keys[1] == name and group.keys[0] in kept), key=lambda g: g.keys[0]
        )
        shown = {
            "x": [group.keys[0] for group in mine],
            "y": [group.value if group.value == group.value else None for group in mine],
            "name": escaped(name),
            "customdata": [group.count for group in mine],
            "hovertemplate": "%{y:.5g} at %{x}<br>of %{customdata} values<extra></extra>",
        }
        colour = SERIES[number % len(SERIES)]
        if is_number:
            figure.add_scatter(
                mode="lines+markers", marker={"color": colour, "size": 7}, line={"color": colour}, **shown
            )
        else:
            figure.add_bar(marker={"color": colour}, **shown)
    counted = sum(group.count for group in groups)
    undefined = sum(group.value != group.value for group in groups)
    note = f"{how} of {counted:,} values in {len(groups):,} groups"
    if undefined:
        note += f"; of {undefined:,} groups it is not defined, which have a single value"
    if len(kept) < len(places):
        note += f"; the {len(kept):,} most frequent of {len(places):,} values of x"
    return note
