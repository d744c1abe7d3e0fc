"""Figures of one model: its curves, how important its features are, its coefficients with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mistique_core.errors import IllegalOperationError, NotFoundError
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.compare.importances import INTERCEPT
from mistique_core.modeldb.compare.records import ConfidenceInterval
from mistique_core.modeldb.explore.thinning import thinned
from mistique_ui.interactive.modeldb.timeline import escaped
from mistique_ui.interactive.theme import SERIES
from mistique_ui.interactive.viewer import Viewer

MOST_FEATURES = 25
MOST_STEPS = 1_000
SIGNIFICANCE = 0.05


def curves_figure(histories: dict[str, Sequence[float]]) -> go.Figure:
    """Return one line a history, over the iterations from 1."""
    figure = go.Figure()
    for number, (name, values) in enumerate(histories.items()):
        series = np.asarray(values, np.float64)
        rows = thinned(series, MOST_STEPS)
        figure.add_scatter(
            x=(rows + 1).tolist(),
            y=series[rows],
            name=escaped(name),
            mode="lines+markers" if len(rows) < 40 else "lines",
            line={"color": SERIES[number % len(SERIES)], "dash": "solid" if number < len(SERIES) else "dot"},
            hovertemplate=f"{escaped(name)} %{{y:.5g}} after %{{x}}<extra></extra>",
        )
    figure.update_layout(xaxis={"title": "Iteration"}, yaxis={"title": "Value"}, showlegend=len(histories) > 1)
    return figure


def importances(facts: FitFacts) -> list[tuple[str, float]]:
    """Return (feature, importance) that the model gives, the most important first."""
    given = [(item.name, float(item.importance)) for item in facts.features if item.importance is not None]
    return sorted(given, key=lambda item: -abs(item[1]))


def importances_figure(ranked: Sequence[tuple[str, float]]) -> go.Figure:
    """Return bars of the first features."""
    shown = list(ranked[:MOST_FEATURES])[::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[value for _, value in shown],
        y=[escaped(name) for name, _ in shown],
        orientation="h",
        marker={"color": SERIES[0]},
        hovertemplate="%{y} %{x:.5g}<extra></extra>",
    )
    figure.update_layout(xaxis={"title": "Importance, as the model gives it"}, yaxis={"type": "category"})
    return figure


def intervals_of(viewer: Viewer, model_id: int) -> tuple[ConfidenceInterval, ...]:
    """Return the 95 % intervals of the coefficients, none where standard errors or the number of rows are not known."""
    try:
        return viewer.db.compare.confidence_intervals(model_id, SIGNIFICANCE)
    except (IllegalOperationError, NotFoundError):
        return ()


def coefficients_figure(facts: FitFacts, intervals: Sequence[ConfidenceInterval]) -> go.Figure:
    """Return the largest coefficients of a linear model, one colour a target, with their intervals."""
    assert facts.linear is not None
    known = {(item.index, item.target): item for item in intervals}
    largest: dict[str, float] = {}
    for term in facts.linear.terms:
        if term.index == INTERCEPT:
            continue
        largest[term.name] = max(largest.get(term.name, 0.0), abs(term.coefficient))
    names = sorted(largest, key=lambda name: -largest[name])[:MOST_FEATURES][::-1]
    place = {name: at for at, name in enumerate(names)}
    figure = go.Figure()
    targets = list(dict.fromkeys(term.target for term in facts.linear.terms))[: len(SERIES)]
    for number, target in enumerate(targets):
        terms = [term for term in facts.linear.terms if term.target == target and term.index != INTERCEPT]
        terms = [term for term in terms if term.name in place]
        terms.sort(key=lambda term: place[term.name])
        bounds = [known.get((term.index, term.target)) for term in terms]
        error: dict[str, Any] | None = None
        if any(bound is not None for bound in bounds):
            pairs = zip(terms, bounds, strict=True)
            above = [(0.0 if bound is None else bound.high - term.coefficient) for term, bound in pairs]
            pairs = zip(terms, bounds, strict=True)
            below = [(0.0 if bound is None else term.coefficient - bound.low) for term, bound in pairs]
            error = {"type": "data", "array": above, "arrayminus": below, "thickness": 1.5, "color": "#7a8796"}
        figure.add_scatter(
            x=[term.coefficient for term in terms],
            y=[escaped(term.name) for term in terms],
            error_x=error,
            mode="markers",
            name=escaped(target or "coefficient"),
            marker={"color": SERIES[number], "size": 8},
            hovertemplate="%{y} %{x:.5g}<extra></extra>",
        )
    figure.update_layout(xaxis={"title": "Coefficient"}, yaxis={"type": "category"}, showlegend=len(targets) > 1)
    return figure


def height_of(rows: int) -> int:
    """Return the height of a figure with a row for each feature, in pixels."""
    return 110 + 20 * min(rows, MOST_FEATURES)
