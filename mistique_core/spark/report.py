"""What logging a DataFrame or a pipeline of Spark did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mistique_core.model import LogReport


@dataclass(frozen=True)
class SparkReport:
    """What was logged.

    Attributes
    ----------
    intermediates
        Report of each intermediate, in order; its seconds are 0.
    left_out
        Intermediate -> column -> why it was not stored.
    seconds
        Wall time of all of it, Spark's jobs included.
    """

    intermediates: tuple[LogReport, ...]
    left_out: Mapping[str, Mapping[str, str]]
    seconds: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the intermediates."""
        return tuple(report.ref.intermediate for report in self.intermediates)

    @property
    def stored_bytes(self) -> int:
        """Bytes that they added to the store."""
        return sum(report.stored_bytes for report in self.intermediates)
