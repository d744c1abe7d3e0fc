"""What a re-run took, stage by stage, so that the cost model learns from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mistique_core.cost import StageMeasurement
from mistique_core.engine.chunk_reader import ReadTally


@dataclass
class RerunTally:
    """Counts and times of one re-run.

    Attributes
    ----------
    stages
        One measurement a stage.
    reading_seconds
        Reading what it started from.
    read
        What that fetched from storage.
    storing_seconds
        Encoding and storing what was made, where that was done meanwhile.
    """

    stages: list[StageMeasurement] = field(default_factory=list)
    reading_seconds: float = 0.0
    read: ReadTally = field(default_factory=ReadTally)
    storing_seconds: float = 0.0

    @contextmanager
    def reading(self) -> Iterator[ReadTally]:
        """Time what is read inside."""
        start = time.perf_counter()
        try:
            yield self.read
        finally:
            self.reading_seconds += time.perf_counter() - start

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Time what is encoded and stored inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.storing_seconds += time.perf_counter() - start

    @property
    def seconds(self) -> float:
        """Seconds of all stages and all reading, without storing."""
        return self.reading_seconds + sum(item.exec_seconds + (item.load_seconds or 0.0) for item in self.stages)
