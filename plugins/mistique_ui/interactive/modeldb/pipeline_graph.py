"""The pipeline of a run as a graph of stages, data and models, laid out from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mistique_core.modeldb.browse.records import RunContents
from mistique_core.modeldb.entity_records import EventRecord, FrameRecord
from mistique_core.modeldb.filter.main_type import PLAIN_STATE
from mistique_core.modeldb.records import IntermediateSummary, StageRecord
from mistique_ui.formats import format_bytes, format_seconds

MOST_EVENTS = 150
_STEP_X, _STEP_Y = 164, 78
_LONGEST = 22


@dataclass(frozen=True)
class PipelineGraph:
    """What Cytoscape draws.

    Attributes
    ----------
    nodes, edges
        Its elements; a node's ``facts`` are (name, text) pairs for people.
    width, height
        In pixels at scale 1.
    left_out
        Events that are not drawn, because there are too many.
    """

    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    width: int
    height: int
    left_out: int


def pipeline_graph(contents: RunContents, stages: Sequence[StageRecord], model_id: int) -> PipelineGraph:
    """Return the graph of a run.

    Parameters
    ----------
    contents
        The run: its events, frames and models.
    stages
        What the stages measured.
    model_id
        The model that is marked.
    """
    whole = [event for event in contents.events if event.is_last_try and event.parent_id is None]
    drawn = whole if len(whole) <= MOST_EVENTS else whole[:MOST_EVENTS]
    measured = {stage.id: stage for stage in stages}
    frames = {frame.id: frame for frame in contents.frames}
    models = {model.id: model for model in contents.models if model.type_name not in PLAIN_STATE}
    nodes: dict[str, dict[str, Any]] = {}
    edges: list[tuple[str, str]] = []
    for event in drawn:
        stage = f"s{event.id}"
        nodes[stage] = _stage(event, measured.get(event.id))
        for _, frame in event.frame_inputs:
            nodes.setdefault(f"f{frame}", _data(frame, frames, measured))
            edges.append((f"f{frame}", stage))
        for frame in event.frames:
            nodes.setdefault(f"f{frame}", _data(frame, frames, measured))
            edges.append((stage, f"f{frame}"))
        for model in event.fitted:
            if model in models:
                nodes[f"m{model}"] = _model(models[model], is_here=model == model_id)
                edges.append((stage, f"m{model}"))
        edges += [(f"m{model}", stage) for _, model in event.model_inputs if f"m{model}" in nodes]
    places, width, height = _places(list(nodes), edges)
    placed = [
        {"data": {"id": name, **node["data"]}, "classes": node["classes"], "position": places[name]}
        for name, node in nodes.items()
    ]
    lines = [{"data": {"source": first, "target": second}} for first, second in dict.fromkeys(edges)]
    return PipelineGraph(placed, lines, width, height, len(whole) - len(drawn))


def _stage(event: EventRecord, stage: StageRecord | None) -> dict[str, Any]:
    outcome = event.state if stage is None else stage.outcome
    facts = [("Stage", event.name), ("Does", event.label), ("Kind", event.kind), ("Outcome", outcome)]
    if stage is not None:
        saved = "saved " if stage.is_reused else ""
        facts.append(("Work", f"{saved}{format_seconds(stage.work_seconds)}"))
        facts.append(("Wall time", format_seconds(stage.wall_seconds)))
        facts += [("Metric " + name, f"{value:.5g}") for name, value in list(stage.metrics.items())[:8]]
        if stage.error:
            facts.append(("Error", stage.error[:500]))
    facts.append(("Operator", event.operator))
    lines = [_short(event.name), _short(event.label) if event.label != event.name else "", outcome]
    label = "\n".join(line for line in lines if line)
    return {
        "data": {"label": label, "facts": _pairs(facts), "title": f"Stage {event.name}"},
        "classes": f"stage {outcome}",
    }


def _data(row: int, frames: Mapping[int, FrameRecord], measured: Mapping[int, StageRecord]) -> dict[str, Any]:
    frame = frames.get(row)
    if frame is None:
        facts = [("Data frame", str(row)), ("Of", "another run")]
        return {
            "data": {"label": "data of\nanother run", "facts": _pairs(facts), "title": "Data of another run"},
            "classes": "data",
        }
    stage = None if frame.stage_id is None else measured.get(frame.stage_id)
    stored = _stored(frame, stage)
    name = frame.tag or frame.intermediate or frame.output or f"data {frame.id}"
    shape = f"{_count(frame.rows)} rows × {_count(None if frame.columns is None else len(frame.columns))}"
    size = format_bytes(stored.logical_bytes) if stored is not None else "not stored"
    facts = [("Data", name), ("Rows", _count(frame.rows))]
    facts.append(("Columns", _count(None if frame.columns is None else len(frame.columns))))
    if stored is not None:
        added = format_bytes(stored.stored_bytes)
        facts += [("Key", stored.label), ("Logged", format_bytes(stored.logical_bytes)), ("Added to the store", added)]
        if stored.logical_bytes:
            share = 1 - stored.stored_bytes / stored.logical_bytes
            facts.append(("Not stored again", f"{max(0.0, share):.1%}"))
        if stage is not None and stage.is_reused:
            facts.append(("Reused from", "an earlier run" if stage.origin is None else stage.origin.label))
    if frame.filepath:
        facts.append(("From", frame.filepath))
    if frame.columns is not None:
        listed = ", ".join(column for column, _ in frame.columns[:12])
        facts.append(("First columns", listed + (" ..." if len(frame.columns) > 12 else "")))
    reused = " reused" if stage is not None and stage.is_reused else ""
    label = f"{_short(name)}\n{shape}\n{size}"
    return {"data": {"label": label, "facts": _pairs(facts), "title": f"Data {name}"}, "classes": f"data{reused}"}


def _model(model: Any, *, is_here: bool) -> dict[str, Any]:
    facts = [
        ("Model", model.type_name),
        ("Problem", model.problem_type),
        ("Stored", "yes" if model.is_stored else "no"),
    ]
    return {
        "data": {"label": _short(model.type_name), "facts": _pairs(facts), "title": model.type_name, "model": model.id},
        "classes": "model here" if is_here else "model",
    }


def _stored(frame: FrameRecord, stage: StageRecord | None) -> IntermediateSummary | None:
    if stage is None or frame.intermediate is None:
        return None
    return next((output for output in stage.outputs if output.name == frame.intermediate), None)


def _places(
    names: Sequence[str], edges: Sequence[tuple[str, str]]
) -> tuple[dict[str, dict[str, int]], int, int]:  # fmt: skip
    """Return a place for each node: a stage as far right as its longest way from a source, what it made below it."""
    maker = {second: first for first, second in edges if first.startswith("s")}
    heads = [name for name in names if name not in maker]
    before: dict[str, list[str]] = {name: [] for name in heads}
    for first, second in edges:
        head = maker.get(first, first)
        if second in before and head != second and head not in before[second]:
            before[second].append(head)
    rank = _ranks(heads, before)
    made: dict[str, list[str]] = {name: [] for name in heads}
    for name in names:
        if name in maker:
            made[maker[name]].append(name)
    places: dict[str, dict[str, int]] = {}
    lowest = 0
    for number in sorted(set(rank.values())):
        column = [name for name in heads if rank[name] == number]
        column.sort(key=lambda name: sum(places[item]["y"] for item in before[name]) / max(1, len(before[name])))
        line = 0
        for name in column:
            for item in (name, *made[name]):
                places[item] = {"x": number * _STEP_X, "y": line * _STEP_Y}
                line += 1
        lowest = max(lowest, line)
    return places, (max(rank.values(), default=0) + 1) * _STEP_X, lowest * _STEP_Y


def _ranks(names: Sequence[str], before: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the length of the longest way to each node; a circle, which no run has, is cut."""
    rank: dict[str, int] = {}
    entered: set[str] = set()
    for start in names:
        stack = [start]
        while stack:
            name = stack[-1]
            waiting = (
                [] if name in entered else [item for item in before[name] if item not in rank and item not in entered]
            )
            entered.add(name)
            if waiting:
                stack += waiting
                continue
            stack.pop()
            rank.setdefault(name, 1 + max((rank.get(item, -1) for item in before[name]), default=-1))
    return rank


def _pairs(facts: Sequence[tuple[str, str]]) -> list[list[str]]:
    return [[name, text] for name, text in facts]


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


STYLE: list[dict[str, Any]] = [
    {
        "selector": "node",
        "style": {
            "label": "data(label)",
            "text-wrap": "wrap",
            "text-valign": "center",
            "text-halign": "center",
            "font-size": 12.5,
            "color": "#ffffff",
            "width": 144,
            "height": 60,
            "shape": "round-rectangle",
            "background-color": "#4b5a6b",
            "border-width": 0,
        },
    },
    {"selector": ".stage", "style": {"background-color": "#0b6e4f", "shape": "rectangle"}},
    {
        "selector": ".stage.reused",
        "style": {"background-color": "#0a5e8a", "border-width": 3, "border-style": "double"},
    },
    {"selector": ".stage.failed", "style": {"background-color": "#a63603"}},
    {
        "selector": ".stage.skipped",
        "style": {"background-color": "#4b5a6b", "border-width": 2, "border-style": "dashed"},
    },
    {"selector": ".stage.running", "style": {"background-color": "#6b5600"}},
    {"selector": ".data.reused", "style": {"border-width": 3, "border-style": "double", "border-color": "#56b4e9"}},
    {
        "selector": ".model",
        "style": {"background-color": "#7a3f68", "shape": "cut-rectangle", "height": 40, "width": 150},
    },
    {"selector": ".model.here", "style": {"border-width": 4, "border-color": "#e69f00"}},
    {"selector": ":selected", "style": {"border-width": 4, "border-color": "#d55e00", "border-style": "solid"}},
    {
        "selector": "edge",
        "style": {
            "curve-style": "bezier",
            "width": 1.5,
            "line-color": "#8c9aa9",
            "target-arrow-color": "#8c9aa9",
            "target-arrow-shape": "triangle",
        },
    },
]
"""Fills that white text is read on, in light and dark; reuse also has a double border, a model cut corners."""
