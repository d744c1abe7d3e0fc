"""The Summary pane, first on the page as the pilot study of thesis 6.3 advised: metrics and curves of all models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dash import html

from mistique_core.predictions.problem import Problem
from mistique_core.predictions.summary import ModelSummary
from mistique_ui.interactive.parts import card
from mistique_ui.interactive.predictions import summary_figures as figures
from mistique_ui.interactive.theme import SERIES, graph, grid

MOST_CURVES = 24
MOST_TABLE_CLASSES = 12
MOST_SHARES = 4
"""Classes of a confusion matrix whose cells say their share as well; of more it is said on pointing at them."""
METRICS = {
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "mcc": "MCC",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "median_ae": "Median |error|",
    "mean_error": "Mean error",
}
AVERAGED = ("precision", "recall", "f1", "roc_auc", "average_precision")
"""Of several classes: the mean over the classes."""


def summary(summaries: Sequence[ModelSummary], problem: Problem, label: str) -> list[Any]:
    """Return tables and figures of some models."""
    drawn = summaries[:MOST_CURVES]
    parts: list[Any] = [_metrics(summaries, problem)]
    if len(summaries) > len(drawn):
        parts.append(
            html.P(
                f"Curves and confusion matrices are of the first {len(drawn)} of {len(summaries)} models; "
                "choose fewer models to see others.",
                className="soft",
            )
        )
    parts += [_legend(drawn), html.Div(_figures(drawn, problem, label), className="prediction-figures")]
    if problem.kind != "regression":
        parts.append(html.H3("Confusion matrices"))
        parts.append(html.P("Rows of the table: the truth. Columns: what the model decides.", className="soft"))
        shown = drawn if len(problem.classes) <= MOST_TABLE_CLASSES else drawn[:6]
        parts.append(html.Div([_confusion(item, problem, at) for at, item in enumerate(shown)], className="confusions"))
    return parts


def _metrics(summaries: Sequence[ModelSummary], problem: Problem) -> Any:
    names = [name for name in METRICS if any(name in item.metrics for item in summaries)]
    averaged = " (macro)" if problem.kind == "multiclass" else ""
    heads = {
        name: METRICS[name]
        + (averaged if name in ("precision", "recall", "f1", "roc_auc", "average_precision") else "")
        for name in names
    }
    rows = [{"model": item.name} | {name: _number(item.metrics.get(name)) for name in names} for item in summaries]
    shown = "significant" if problem.kind == "regression" else "fourDigits"
    columns: list[dict[str, Any]] = [{"field": "model", "headerName": "Model", "pinned": "left", "minWidth": 140}]
    columns += [
        {
            "field": name,
            "headerName": heads[name],
            "type": "rightAligned",
            "valueFormatter": {"function": f"{shown}(params.value)"},
            "filter": "agNumberColumnFilter",
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
            "minWidth": 84,
        }
        for name in names
    ]
    height = min(44 + 32 * len(rows), 380) + 14
    return grid(
        "predictions-metrics",
        columns,
        rows,
        columnSize="responsiveSizeToFit",
        style={"height": f"{height}px"},
    )


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _legend(summaries: Sequence[ModelSummary]) -> Any:
    items = []
    for at, item in enumerate(summaries):
        style = figures.style_of(at)
        kind = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "double"}[style["dash"]]
        line = html.Span(className="line", style={"borderTop": f"2.5px {kind} {style['color']}"})
        items.append(html.Li([line, item.name]))
    return html.Ul(items, className="legend curves")


def _figures(summaries: Sequence[ModelSummary], problem: Problem, label: str) -> list[Any]:
    if problem.kind == "regression":
        height = max(300, 90 + 26 * len(summaries))
        return [
            graph("predictions-residuals", figures.residuals(summaries, label), height=height, label="Residuals"),
            graph(
                "predictions-quantiles",
                figures.error_quantiles(summaries, label),
                height=height,
                label="Error quantiles",
            ),
        ]
    if not any(item.ranking.curves or item.ranking.classes for item in summaries):
        return [html.P("No model has probabilities: there are no curves to draw.", className="soft")]
    if problem.kind == "binary":
        return [
            graph("predictions-roc", figures.roc(summaries, lambda item: item.ranking.curves), height=310, label="ROC"),
            graph(
                "predictions-pr",
                figures.precision_recall(summaries, lambda item: item.ranking.curves),
                height=310,
                label="Precision and recall",
            ),
            graph("predictions-calibration", figures.calibration(summaries), height=310, label="Calibration"),
        ]
    micro = [item for item in summaries if item.ranking.classes and item.ranking.classes.micro]
    parts: list[Any] = []
    if micro:

        def averaged(item: ModelSummary) -> Any:
            return None if item.ranking.classes is None else item.ranking.classes.micro

        parts = [
            graph(
                "predictions-roc",
                figures.roc(summaries, averaged).update_layout(title_text="ROC, micro average"),
                height=310,
                label="ROC",
            ),
            graph(
                "predictions-pr",
                figures.precision_recall(summaries, averaged).update_layout(
                    title_text="Precision and recall, micro average"
                ),
                height=310,
                label="Precision and recall",
            ),
        ]
    return [*parts, _by_class(summaries, problem)]


def _by_class(summaries: Sequence[ModelSummary], problem: Problem) -> Any:
    """Return the area under each class's ROC curve against the rest."""
    head = html.Tr(
        [html.Th("ROC AUC, one class against the rest"), *(html.Th(item.name, className="num") for item in summaries)]
    )
    rows = []
    for at, name in enumerate(problem.classes):
        cells = []
        for item in summaries:
            curves = None if item.ranking.classes is None else item.ranking.classes.classes[at]
            shown = "–" if curves is None or math.isnan(curves.roc_auc) else f"{curves.roc_auc:.4f}"
            cells.append(html.Td(shown, className="num"))
        rows.append(html.Tr([html.Th(name, scope="row"), *cells]))
    table = html.Table([html.Thead(head), html.Tbody(rows)], className="compact", id="predictions-classes")
    return html.Div(table, className="scrolls")


def _confusion(item: ModelSummary, problem: Problem, at: int) -> Any:
    assert item.confusion is not None  # only regressions have none
    totals = item.confusion.sum(axis=1)
    is_wide = len(problem.classes) > MOST_SHARES
    corner = html.Th("truth ↓", scope="col", className="soft")
    head = html.Tr([corner, *(html.Th(name, scope="col", className="num") for name in problem.classes)])
    rows = []
    for truth, name in enumerate(problem.classes):
        cells = []
        for decided in range(len(problem.classes)):
            count = int(item.confusion[truth, decided])
            share = count / totals[truth] if totals[truth] else 0.0
            base = "0, 114, 178" if truth == decided else "213, 94, 0"
            cells.append(
                html.Td(
                    [f"{count:,}", *([] if is_wide else [html.Span(f"{share:.0%}", className="soft share")])],
                    className="num",
                    title=f"{share:.0%} of class {name}",
                    style={"background": f"rgba({base}, {0.08 + 0.5 * share:.2f})"},
                )
            )
        rows.append(html.Tr([html.Th(name, scope="row"), *cells]))
    title = html.Caption([html.Span(className="swatch", style={"background": SERIES[at % len(SERIES)]}), item.name])
    return html.Div(
        html.Table([title, html.Thead(head), html.Tbody(rows)], className="compact confusion"), className="scrolls"
    )


def pane(content: Any) -> Any:
    """Return the frame of the pane."""
    return card(content, title="Summary", id="predictions-summary-pane")
