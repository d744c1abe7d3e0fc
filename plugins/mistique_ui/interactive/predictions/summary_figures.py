"""Figures of the Summary pane: ROC, precision-recall and calibration curves, residuals, error quantiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from mistique_core.predictions.curves import RankingCurves
from mistique_core.predictions.regression import QUANTILES
from mistique_core.predictions.summary import ModelSummary
from mistique_ui.interactive.theme import SERIES, SYMBOLS

DASHES = ("solid", "dash", "dot", "dashdot")
_DIAGONAL = {"color": "rgba(128, 140, 155, .6)", "width": 1, "dash": "dot"}


def style_of(at: int) -> dict[str, Any]:
    """Return colour and dash of the model at a position: 32 of them differ."""
    return {"color": SERIES[at % len(SERIES)], "dash": DASHES[at // len(SERIES) % len(DASHES)], "width": 1.8}


def roc(summaries: Sequence[ModelSummary], curves: Callable[[ModelSummary], RankingCurves | None]) -> go.Figure:
    """Return ROC curves."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=_DIAGONAL, hoverinfo="skip", showlegend=False)
    for at, summary in enumerate(summaries):
        found = curves(summary)
        if found is not None:
            figure.add_scatter(
                x=found.false_positive_rate,
                y=found.true_positive_rate,
                name=summary.name,
                line=style_of(at),
                mode="lines",
                hovertemplate=f"{_safe(summary.name)}<br>false positive rate %{{x:.3f}}<br>recall %{{y:.3f}}"
                f"<br>area {found.roc_auc:.4f}<extra></extra>",
            )
    return _axes(figure, "ROC", "False positive rate", "True positive rate (recall)")


def precision_recall(
    summaries: Sequence[ModelSummary], curves: Callable[[ModelSummary], RankingCurves | None]
) -> go.Figure:
    """Return precision-recall curves."""
    figure = go.Figure()
    for at, summary in enumerate(summaries):
        found = curves(summary)
        if found is not None:
            figure.add_scatter(
                x=found.recall,
                y=found.precision,
                name=summary.name,
                line=style_of(at) | {"shape": "vh"},
                mode="lines",
                hovertemplate=f"{_safe(summary.name)}<br>recall %{{x:.3f}}<br>precision %{{y:.3f}}"
                f"<br>average precision {found.average_precision:.4f}<extra></extra>",
            )
    return _axes(figure, "Precision and recall", "Recall", "Precision")


def calibration(summaries: Sequence[ModelSummary]) -> go.Figure:
    """Return observed shares against predicted probabilities."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=_DIAGONAL, hoverinfo="skip", showlegend=False)
    for at, summary in enumerate(summaries):
        found = summary.ranking.calibration
        if found is not None:
            figure.add_scatter(
                x=found.predicted,
                y=found.observed,
                customdata=found.rows,
                name=summary.name,
                line=style_of(at),
                marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 6},
                mode="lines+markers",
                hovertemplate=f"{_safe(summary.name)}<br>predicted %{{x:.3f}}<br>observed %{{y:.3f}}"
                "<br>%{customdata} rows<extra></extra>",
            )
    return _axes(figure, "Calibration", "Mean predicted probability", "Share of positive rows")


def residuals(summaries: Sequence[ModelSummary], label: str) -> go.Figure:
    """Return errors against predictions."""
    figure = go.Figure()
    for at, summary in enumerate(summaries):
        amounts = summary.ranking.amounts
        if amounts is not None:
            figure.add_scatter(
                x=amounts.predictions,
                y=amounts.errors,
                name=summary.name,
                mode="markers",
                marker={
                    "color": SERIES[at % len(SERIES)],
                    "symbol": SYMBOLS[at % len(SYMBOLS)],
                    "size": 5,
                    "opacity": 0.6,
                },
                hovertemplate=f"{_safe(summary.name)}<br>prediction %{{x:.4g}}<br>error %{{y:.4g}}<extra></extra>",
            )
    figure.add_hline(y=0, line=_DIAGONAL)
    figure.update_layout(title={"text": "Residuals", "font": {"size": 13}}, showlegend=False)
    figure.update_xaxes(title=f"Predicted {_safe(label)}")
    figure.update_yaxes(title="Error (prediction - truth)")
    return figure


def error_quantiles(summaries: Sequence[ModelSummary], label: str) -> go.Figure:
    """Return a box of each model's errors: quartiles, and whiskers at 5 % and 95 %."""
    figure = go.Figure()
    for at, summary in enumerate(summaries):
        amounts = summary.ranking.amounts
        if amounts is not None:
            low, first, middle, third, high = amounts.quantiles
            figure.add_box(
                y=[summary.name],
                lowerfence=[low],
                q1=[first],
                median=[middle],
                q3=[third],
                upperfence=[high],
                orientation="h",
                name=summary.name,
                line={"color": SERIES[at % len(SERIES)], "width": 1.5},
                showlegend=False,
            )
    shares = ", ".join(f"{share:.0%}" for share in QUANTILES)
    figure.update_layout(title={"text": f"Quantiles of errors ({shares})", "font": {"size": 13}})
    figure.update_xaxes(title=f"Error of {_safe(label)} (prediction - truth)", zeroline=True)
    figure.update_yaxes(autorange="reversed")
    return figure


def _axes(figure: go.Figure, title: str, across: str, up: str) -> go.Figure:
    figure.update_layout(title={"text": title, "font": {"size": 13}}, showlegend=False, margin={"t": 34, "r": 8})
    figure.update_xaxes(title=across, range=[-0.01, 1.01], constrain="domain")
    figure.update_yaxes(title=up, range=[-0.01, 1.02])
    return figure


def _safe(text: str) -> str:
    """Return a name for a hover text: Plotly knows a few tags there, and no others."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")
