"""One model: all that is recorded about it, its pipeline, and what people write about it (thesis Fig. 4-8 to 4-12)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import dash_cytoscape as cyto
from dash import Dash, Input, Output, dcc, html, no_update

from mistique_core.modeldb.browse.records import ModelDetail, RunContents
from mistique_core.modeldb.compare.importances import INTERCEPT
from mistique_core.modeldb.entity_records import FrameRecord
from mistique_core.modeldb.filter.main_type import PLAIN_STATE
from mistique_core.modeldb.records import StageRecord
from mistique_core.modeldb.runs import AIRFLOW, find_run
from mistique_ui.formats import format_number, format_seconds
from mistique_ui.interactive.modeldb import model_edits
from mistique_ui.interactive.modeldb.model_figures import (
    MOST_FEATURES,
    coefficients_figure,
    curves_figure,
    height_of,
    importances,
    importances_figure,
    intervals_of,
)
from mistique_ui.interactive.modeldb.pipeline_graph import STYLE, PipelineGraph, pipeline_graph
from mistique_ui.interactive.modeldb.project_of import project_id
from mistique_ui.interactive.modeldb.similar_models import similar_models
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import badge, breakable, card, crumbs, facts, heading, moment, nothing
from mistique_ui.interactive.theme import graph
from mistique_ui.interactive.viewer import Viewer

_LONGEST = 300
_MOST_FACTS = 60


def layout(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page."""
    model_id = arguments.number("model_id")
    viewer.may.see("model", [model_id])
    found = viewer.db.browse.model(model_id)
    contents = viewer.db.browse.run(found.run.id)
    stages = _stages(viewer, found)
    return [
        dcc.Store(id="model-scope", data={"model": model_id}),
        _head(viewer, found, contents),
        html.Div([_metrics(found, contents), _run_facts(found, contents, stages)], className="columns"),
        _figures(viewer, found),
        _pipeline(pipeline_graph(contents, stages, model_id)),
        html.Div([_hyperparameters(found), _environment(found, contents, stages)], className="columns"),
        similar_models(viewer, found),
        html.H2("What people say"),
        html.Div(id="model-said", **{"aria-live": "polite"}),
        html.Div(model_edits.edits_panel(viewer, model_id), id=model_edits.PANEL),
    ]


def register(app: Dash) -> None:
    """Add the callbacks."""
    model_edits.register(app)

    @app.callback(Output("model-node", "children"), Input("model-graph", "tapNodeData"), prevent_initial_call=True)
    def tap(node: Any) -> Any:
        if not isinstance(node, dict) or not isinstance(node.get("facts"), list):
            return no_update
        pairs = [item for item in node["facts"][:_MOST_FACTS] if isinstance(item, list) and len(item) == 2]
        return [
            html.H3(str(node.get("title", ""))[:_LONGEST]),
            facts([(str(a)[:80], str(b)[:2_000]) for a, b in pairs]),
        ]


def _stages(viewer: Viewer, found: ModelDetail) -> tuple[StageRecord, ...]:
    """Return what the stages measured, without where they were reused from, if the user may not read that."""
    with viewer.catalogue.read() as connection:
        detail = find_run(connection, found.run.dag_id, found.run.run_id)
    if detail is None:
        return ()
    readable = viewer.readable
    return tuple(
        replace(stage, origin=None)
        if stage.origin is not None and stage.origin.source == AIRFLOW and stage.origin.dag_id not in readable
        else stage
        for stage in detail.stages
    )


def _head(viewer: Viewer, found: ModelDetail, contents: RunContents) -> Any:
    run = found.run
    project = project_id(viewer, run.project)
    links = [("Projects", viewer.address("/app/projects"))]
    if project is not None:
        links.append((str(run.project), viewer.address(f"/app/projects/{project}")))
        links.append(("Models", viewer.address(f"/app/projects/{project}/models")))
    beside: list[Any] = [
        html.A("The run, stage by stage", href=viewer.address("/run", dag_id=run.dag_id, run_id=run.run_id))
    ]
    in_airflow = viewer.airflow_run(run.dag_id, run.run_id.split("/")[0]) if run.source == AIRFLOW else None
    if in_airflow is not None:
        beside += [" ", html.A("Open the DAG run", href=in_airflow, className="button", target="_top")]
    others = [
        dcc.Link(item.type_name, href=viewer.address(f"/app/models/{item.id}"))
        for item in contents.models
        if item.id != found.model.id and item.type_name not in PLAIN_STATE
    ]
    title = [found.model.type_name, " ", badge(run.state, run.state)]
    title += [" ", badge(run.run_type)] if run.run_type in ("trial", "refit") else []
    line = [html.Span(f"model {found.model.id} of {run.label}")]
    if others:
        line.append(html.Span([" · also fitted: ", *(part for item in others[:12] for part in (item, " "))]))
    failed = html.P([html.Strong("The run failed. "), contents.error], className="problem") if contents.error else None
    return html.Div(
        [heading(title, above=crumbs(*links), beside=html.Span(beside)), html.P(line, className="soft"), failed]
    )


def _metrics(found: ModelDetail, contents: RunContents) -> Any:
    if not found.metrics:
        return card(_metrics_of_run(contents), title="Metrics")
    frames = {frame.id: frame for frame in (*contents.frames, *found.training_frames)}
    columns = list(dict.fromkeys(frame for values in found.metrics.values() for frame in values))
    head = html.Thead(
        html.Tr([html.Th("Metric"), *(html.Th(_frame_name(row, frames), className="num") for row in columns)])
    )
    rows = [
        html.Tr(
            [
                html.Th(breakable(name), scope="row"),
                *(html.Td(format_number(values.get(row)), className="num") for row in columns),
            ]
        )
        for name, values in found.metrics.items()
    ]
    table = html.Div(html.Table([head, html.Tbody(rows)], className="compact"), className="bounded", tabIndex=0)
    return card(table, title="Metrics by data set")


def _metrics_of_run(contents: RunContents) -> list[Any]:
    said = "No metric is recorded for this model alone"
    if not contents.run.metrics:
        return [html.P(f"{said}, nor for its run; add an Evaluate stage.", className="soft")]
    rows = [
        html.Tr([html.Th(breakable(name), scope="row"), html.Td(format_number(value), className="num")])
        for name, value in contents.run.metrics.items()
    ]
    table = html.Div(html.Table(html.Tbody(rows), className="compact"), className="bounded", tabIndex=0)
    return [html.P(f"{said}. Of the whole run:", className="soft"), table]


def _frame_name(row: int | None, frames: dict[int, FrameRecord]) -> str:
    if row is None:
        return "data not recorded"
    frame = frames.get(row)
    if frame is None:
        return f"data {row}"
    name = frame.tag or frame.intermediate or frame.output or f"data {row}"
    return name if frame.rows is None else f"{name}, {frame.rows:,} rows"


def _run_facts(found: ModelDetail, contents: RunContents, stages: tuple[StageRecord, ...]) -> Any:
    model, run, inside = found.model, found.run, found.facts
    trained = ", ".join(_frame_name(frame.id, {frame.id: frame}) for frame in found.training_frames)
    pairs: list[tuple[str, Any]] = [
        ("Problem", model.problem_type),
        ("Fitted on", trained or None),
        ("Features", f"{len(inside.features):,}" if inside.features else None),
        ("Label", ", ".join(inside.label_columns) or None),
        ("Predicts", ", ".join(inside.prediction_columns) or None),
        ("Stored", "in the store" if model.is_stored else model.filepath or "no"),
        ("Started", moment(run.started_at)),
        ("Took", format_seconds(run.seconds)),
        (
            "Stages",
            f"{sum(s.is_last_try for s in stages):,}, {sum(s.is_reused and s.is_last_try for s in stages):,} reused",
        ),
        ("Author", run.author),
        ("Experiment", run.experiment),
    ]
    if inside.trees is not None:
        nodes = f"{len(inside.trees.sizes):,} with {sum(inside.trees.sizes):,} nodes"
        pairs.append(("Trees", f"{inside.trees.model_type}, {nodes}"))
    if inside.linear is not None:
        for name, value in (("R²", inside.linear.r2), ("RMSE on training data", inside.linear.rmse)):
            if value is not None:
                pairs.append((name, format_number(value)))
        standard = {True: "yes, so coefficients compare", False: "no, so coefficients do not compare", None: None}
        pairs.append(("Standardised features", standard[inside.linear.is_standardized]))
    return card(
        [facts([(name, value) for name, value in pairs if value is not None]), html.P(run.description or None)],
        title="About it",
    )


def _figures(viewer: Viewer, found: ModelDetail) -> Any:
    shown = []
    histories = {name: values for name, values in found.facts.history.items() if len(values)}
    if histories:
        name = ", ".join(histories)
        figure = graph("model-curves", curves_figure(dict(histories)), height=320, label=f"Curves of {name}")
        shown.append(card(figure, title="Curves"))
    ranked = importances(found.facts)
    if found.facts.linear is not None and found.facts.linear.terms:
        intervals = intervals_of(viewer, found.model.id)
        figure = coefficients_figure(found.facts, intervals)
        count = len({term.name for term in found.facts.linear.terms if term.index != INTERCEPT})
        constants = [format_number(term.coefficient) for term in found.facts.linear.terms if term.index == INTERCEPT]
        said = (
            "with 95 % confidence intervals"
            if intervals
            else "standard errors are not recorded (penalised or singular fits)"
        )
        shown.append(
            card(
                [
                    html.P(
                        f"{_first(count, 'coefficients')}, {said}. Intercept: {', '.join(constants[:8]) or 'none'}.",
                        className="soft",
                    ),
                    graph("model-coefficients", figure, height=height_of(count), label="Coefficients"),
                ],
                title="Coefficients",
            )
        )
    elif ranked:
        figure = graph(
            "model-importances", importances_figure(ranked), height=height_of(len(ranked)), label="Importances"
        )
        note = html.P(f"{_first(len(ranked), 'features')}.", className="soft")
        shown.append(card([note, figure], title="Feature importances"))
    return html.Div(shown, className="columns") if shown else None


def _said(count: int, intervals: str, constants: list[str]) -> str:
    return f"{_first(count, 'coefficients')}, {intervals}. Intercept: {', '.join(constants[:8]) or 'none'}."


def _first(count: int, what: str) -> str:
    return f"All {count:,} {what}" if count <= MOST_FEATURES else f"The {MOST_FEATURES} largest of {count:,} {what}"


def _pipeline(found: PipelineGraph) -> Any:
    if not found.nodes:
        return card(nothing("No pipeline", "No event of this run is recorded; record them with stages or autolog()."))
    height = round(min(520, max(140, found.height * min(1.0, 1_250 / found.width) + 30)))
    drawing = cyto.Cytoscape(
        id="model-graph",
        elements=[*found.nodes, *found.edges],
        stylesheet=STYLE,
        layout={"name": "preset", "fit": True, "padding": 12},
        style={"width": "100%", "height": f"{height}px"},
        minZoom=0.2,
        maxZoom=2,
        userPanningEnabled=True,
        userZoomingEnabled=False,
        boxSelectionEnabled=False,
        autoungrabify=True,
        responsive=True,
    )
    legend = [
        html.Li([html.Span(className="swatch", style={"background": colour}), text])
        for colour, text in (
            ("#0b6e4f", "stage, executed"),
            ("#0a5e8a", "stage, reused"),
            ("#4b5a6b", "data"),
            ("#7a3f68", "model; this one has a border"),
        )
    ]
    rows = [
        html.Tr(
            [
                html.Th(node["data"]["title"], scope="row"),
                html.Td("; ".join(f"{a}: {b}" for a, b in node["data"]["facts"])),
            ]
        )
        for node in found.nodes
    ]
    left = f" {found.left_out:,} more stages are on the run's page." if found.left_out else ""
    return card(
        [
            html.P(f"Click on a stage, data or a model for its details.{left}", className="soft"),
            html.Ul(legend, className="legend"),
            html.Div(drawing, className="pipeline", role="img", **{"aria-label": "Pipeline; as a table below"}),
            html.Div(id="model-node", **{"aria-live": "polite"}),
            html.Details(
                [html.Summary("The pipeline as a table"), html.Table(html.Tbody(rows), className="compact")],
            ),
        ],
        title="Pipeline",
    )


def _hyperparameters(found: ModelDetail) -> Any:
    values = {} if found.spec is None else found.spec.hyperparameters
    if not values:
        return card(html.P("None is recorded.", className="soft"), title="Hyperparameters")
    rows = [
        html.Tr([html.Th(breakable(name), scope="row"), html.Td(_value(value), className="num")])
        for name, value in values.items()
    ]
    table = html.Div(html.Table(html.Tbody(rows), className="compact"), className="bounded", tabIndex=0)
    return card(table, title=f"Hyperparameters ({len(values):,})")


def _value(value: Any) -> Any:
    text = "none" if value is None else format_number(value)
    return text if len(text) <= _LONGEST else html.Span(text[:_LONGEST] + "…", title=text[:5_000])


def _environment(found: ModelDetail, contents: RunContents, stages: tuple[StageRecord, ...]) -> Any:
    stage = next((item for item in stages if item.id == found.model.stage_id), None)
    pairs: list[tuple[str, Any]] = [("Code version", contents.code_version or "not recorded")]
    if stage is not None:
        pairs += [("Operator", stage.operator), ("Code of the stage", (stage.code_hash or "not recorded")[:16])]
    pairs += [
        (name, value if isinstance(value, str) else json.dumps(value)) for name, value in contents.environment.items()
    ]
    pairs += [
        (f"Parameter {name}", value if isinstance(value, str) else json.dumps(value))
        for name, value in contents.params.items()
    ]
    rows = [html.Tr([html.Th(name, scope="row"), html.Td(str(value)[:2_000])]) for name, value in pairs]
    table = html.Div(html.Table(html.Tbody(rows), className="compact"), className="bounded", tabIndex=0)
    return card(table, title="Code and environment")


MODEL = Page("/models/{model_id}", "models", "Model", layout, register)
