"""The graph of data frames and events, and questions to it: pure functions of what was read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mistique_core.modeldb.entity_records import EventRecord, FrameRecord, ModelRecord


@dataclass(frozen=True)
class LineageGraph:
    """Data frames, transformers and events by id; each event that made one of the frames is among them."""

    frames: Mapping[int, FrameRecord]
    models: Mapping[int, ModelRecord]
    events: Mapping[int, EventRecord]

    def maker(self, frame_id: int) -> EventRecord | None:
        """Return the event that made a data frame."""
        stage_id = self.frames[frame_id].stage_id
        return None if stage_id is None else self.events.get(stage_id)

    def parents(self, frame_id: int) -> tuple[int, ...]:
        """Return the data frames that a data frame was made from, in the order of the inputs."""
        maker = self.maker(frame_id)
        return () if maker is None else input_frames(maker)

    def fit_frames(self, model: ModelRecord) -> tuple[int, ...]:
        """Return the data frames that a model was fitted on."""
        event = None if model.stage_id is None else self.events.get(model.stage_id)
        return () if event is None else input_frames(event)


def input_frames(event: EventRecord) -> tuple[int, ...]:
    """Return the data frames that an event took, each once."""
    return tuple(dict.fromkeys(frame for _, frame in event.frame_inputs))


def distances(graph: LineageGraph, starts: Iterable[int]) -> dict[int, int]:
    """Return frame -> fewest events to one of the starts, of the starts (0) and all their ancestors, nearest first."""
    found = dict.fromkeys(starts, 0)
    waiting = deque(found)
    while waiting:
        frame = waiting.popleft()
        for parent in graph.parents(frame):
            if parent not in found:
                found[parent] = found[frame] + 1
                waiting.append(parent)
    return found


def events_behind(graph: LineageGraph, starts: Iterable[int]) -> tuple[EventRecord, ...]:
    """Return the events that led to some data frames, each after those that it depends on."""
    ordered: list[EventRecord] = []
    done: set[int] = set()
    stack = [(frame, False) for frame in reversed(list(starts))]
    entered: set[int] = set()
    while stack:
        frame, is_left = stack.pop()
        maker = graph.maker(frame)
        if is_left and maker is not None and maker.id not in done:
            done.add(maker.id)
            ordered.append(maker)
        if is_left or frame in entered:
            continue
        entered.add(frame)
        stack.append((frame, True))
        stack += [(parent, False) for parent in reversed(graph.parents(frame))]
    return tuple(ordered)


def path(graph: LineageGraph, ancestor: int, starts: Iterable[int]) -> tuple[EventRecord, ...]:
    """Return the events of a shortest way from an ancestor to one of some data frames, in order."""
    came_from: dict[int, int | None] = dict.fromkeys(starts)
    waiting = deque(came_from)
    while waiting:
        frame = waiting.popleft()
        if frame == ancestor:
            break
        for parent in graph.parents(frame):
            if parent not in came_from:
                came_from[parent] = frame
                waiting.append(parent)
    events = []
    at: int | None = ancestor
    while at is not None:
        child = came_from[at]
        maker = None if child is None else graph.maker(child)
        if maker is not None:
            events.append(maker)
        at = child
    return tuple(events)


def nearest_common(graph: LineageGraph, first: Iterable[int], second: Iterable[int]) -> tuple[int, int] | None:
    """Return the nearest ancestor of both sides, a frame that is one itself included, as each side has it.

    Nearest is what is fewest events away from the side that is farther. Frames of equal content count as the same.
    """
    steps_1, steps_2 = distances(graph, first), distances(graph, second)
    by_content: dict[str | int, int] = {}
    for frame in steps_2:  # nearest first
        by_content.setdefault(graph.frames[frame].content, frame)
    best: tuple[tuple[int, int, int], int, int] | None = None
    for frame, steps in steps_1.items():
        other = by_content.get(graph.frames[frame].content)
        if other is not None:
            rank = (max(steps, steps_2[other]), steps + steps_2[other], frame)
            if best is None or rank < best[0]:
                best = (rank, frame, other)
    return None if best is None else (best[1], best[2])
