"""Geometry of the small charts; the templates draw it as inline SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mistique_core.modeldb.records import RunSummary

WIDTH, HEIGHT, MARGIN = 208.0, 56.0, 7.0
SERIES = 6
MOST_METRICS = 6


@dataclass(frozen=True)
class Dot:
    """One run in a chart.

    Attributes
    ----------
    x, y
        Its place in pixels.
    series
        Number of its model, which decides colour and shape.
    value
        The metric.
    run
        The run.
    """

    x: float
    y: float
    series: int
    value: float
    run: RunSummary


@dataclass(frozen=True)
class MetricChart:
    """One metric over the runs of a page, oldest on the left.

    Attributes
    ----------
    name, low, high
        The metric and its range.
    dots
        The runs that have it.
    """

    name: str
    low: float
    high: float
    dots: tuple[Dot, ...]


def metric_names(runs: Iterable[RunSummary]) -> list[str]:
    """Return the metrics of a page of runs: the most frequent ones, by name."""
    uses = Counter(name for run in runs for name in run.metrics)
    return sorted(name for name, _ in uses.most_common(MOST_METRICS))


def series_of(runs: Iterable[RunSummary]) -> dict[str, int]:
    """Return model -> number of its colour; from the seventh model on, colours come again."""
    models = sorted({_model(run) for run in runs if run.metrics})
    return {name: index % SERIES for index, name in enumerate(models)}


def metric_charts(runs: Sequence[RunSummary], names: Iterable[str], series: dict[str, int]) -> list[MetricChart]:
    """Return one chart for each metric that at least two runs have."""
    charts = []
    for name in names:
        found = [run for run in reversed(runs) if math.isfinite(run.metrics.get(name, math.nan))]
        if len(found) < 2:
            continue
        values = [run.metrics[name] for run in found]
        low, high = min(values), max(values)
        step = (WIDTH - 2 * MARGIN) / (len(found) - 1)
        spread = high - low
        dots = tuple(
            Dot(
                round(MARGIN + index * step, 1),
                round(
                    HEIGHT / 2 if not spread else HEIGHT - MARGIN - (value - low) / spread * (HEIGHT - 2 * MARGIN), 1
                ),
                series[_model(run)],
                value,
                run,
            )
            for index, (run, value) in enumerate(zip(found, values, strict=True))
        )
        charts.append(MetricChart(name, low, high, dots))
    return charts


def _model(run: RunSummary) -> str:
    return ", ".join(dict.fromkeys(f"{item.project}.{item.model}" for item in run.versions))
