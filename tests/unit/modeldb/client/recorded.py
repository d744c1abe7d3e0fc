"""What a traced script left, in a form that tests compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mistique_core.model.event import FrameEntity, StageEvent, TransformerEntity


class Sink:
    """Takes events in place of the catalogue."""

    def __init__(self) -> None:
        self.events: list[StageEvent] = []
        self.batches = 0
        self.is_finished = False
        self.error: str | None = None

    def begin(self) -> None:
        """Nothing has to be there before the events."""

    def record(self, events: Sequence[StageEvent]) -> None:
        self.batches += 1
        self.events += events
        for number, event in enumerate(self.events):
            event.id = number

    def finish(self, error: str | None = None, events: Sequence[StageEvent] = ()) -> None:
        assert not self.is_finished
        if events:
            self.record(events)
        self.is_finished, self.error = True, error

    def only(self, name: str) -> StageEvent:
        (event,) = [event for event in self.events if event.name == name and event.parent is None]
        return event

    def top(self) -> list[str]:
        return [event.name for event in self.events if event.parent is None]


def plain(events: Sequence[StageEvent]) -> list[dict[str, Any]]:
    """Events without ids and times; entities and parents by the order in which they occur."""
    numbers: dict[int, int] = {}

    def number(item: Any) -> Any:
        return None if item is None else (type(item).__name__, numbers.setdefault(id(item), len(numbers)))

    def value(item: Any) -> Any:
        if isinstance(item, (FrameEntity, TransformerEntity)):
            fields = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
            return number(item), {name: value(part) for name, part in fields.items() if name != "id"}
        if isinstance(item, np.ndarray):
            return [None if part != part else part for part in item.tolist()]
        if dataclasses.is_dataclass(item):
            return {field.name: value(getattr(item, field.name)) for field in dataclasses.fields(item)}
        if isinstance(item, dict):
            return {name: value(part) for name, part in item.items()}
        return [value(part) for part in item] if isinstance(item, (list, tuple)) else item

    found = []
    for event in events:
        fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
        kept = {
            name: value(item) for name, item in fields.items() if name not in ("id", "started_at", "ended_at", "parent")
        }
        found.append({"event": number(event), "parent": number(event.parent), **kept})
    return found
