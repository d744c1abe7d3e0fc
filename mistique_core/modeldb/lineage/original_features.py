"""Trace a model's features back, through every transformation, to columns of source data: a pure function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mistique_core.modeldb.entity_records import EventRecord
from mistique_core.modeldb.lineage.graph import LineageGraph, events_behind, input_frames


def trace_columns(graph: LineageGraph, starts: Iterable[int], features: Iterable[str]) -> list[tuple[int, str]]:
    """Return (source frame, column) of what some columns of some data frames come from, sorted.

    A transformation that says which columns it takes and makes (``input_columns`` and ``output_columns`` of its facts)
    is followed exactly; its other columns pass unchanged. Of any other event, a column that an input has too comes from
    that column, and a new one from all columns of the inputs.

    Parameters
    ----------
    graph
        What led to the frames.
    starts
        Frames that have the features.
    features
        Names of columns; none for all columns of the frames.
    """
    starts = list(starts)
    wanted = list(features)
    needed: dict[int, set[str]] = defaultdict(set)
    for frame in starts:
        names = graph.frames[frame].names
        if not wanted:
            needed[frame] |= set(names or ())
        else:
            needed[frame] |= set(wanted) if names is None else set(wanted) & set(names)
    for event in reversed(events_behind(graph, starts)):
        if event.frame_inputs:
            for frame in event.frames:
                if frame in needed:
                    _step_back(graph, event, needed.pop(frame), needed)
    return sorted((frame, column) for frame, columns in needed.items() for column in columns)


def _step_back(graph: LineageGraph, event: EventRecord, columns: set[str], needed: dict[int, set[str]]) -> None:
    """Add to `needed` what the inputs of an event must have for it to make some columns."""
    inputs = input_frames(event)
    made = event.facts.get("output_columns")
    taken = event.facts.get("input_columns")
    passing = set(columns)
    if made is not None and taken is not None:
        passing -= set(made)
        if columns & set(made):
            _ask(graph, inputs, set(taken), needed)
    known = {name for frame in inputs for name in graph.frames[frame].names or ()}
    has_schemas = all(graph.frames[frame].names is not None for frame in inputs)
    new = passing - known if has_schemas else set()
    if new and made is None:
        for frame in inputs:
            needed[frame] |= set(graph.frames[frame].names or ())
    _ask(graph, inputs, passing - new, needed)


def _ask(graph: LineageGraph, inputs: tuple[int, ...], columns: set[str], needed: dict[int, set[str]]) -> None:
    """Ask each input for those of the columns that it has, or may have."""
    for frame in inputs:
        names = graph.frames[frame].names
        asked = columns if names is None else columns & set(names)
        if asked:
            needed[frame] |= asked
