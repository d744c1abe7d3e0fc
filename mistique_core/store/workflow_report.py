"""What running a workflow did, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mistique_core.planner.plan import format_bytes, format_seconds
from mistique_core.store.report_text import as_text

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class StageReport:
    """One stage of a run.

    Attributes
    ----------
    name
        The stage.
    seconds
        Wall time, with loading its inputs and storing its outputs.
    reused
        Whether its outputs were taken over from an earlier stage instead of executing.
    logical_bytes, stored_bytes
        Bytes of its output frames, and bytes that they added to the store.
    metrics
        Metric -> value.
    """

    name: str
    seconds: float
    reused: bool
    logical_bytes: int
    stored_bytes: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkflowReport:
    """A run of a workflow; its text is a table.

    Attributes
    ----------
    project, model, version
        The model version that it made.
    stages
        In the order in which they ran.
    """

    project: str
    model: str
    version: int
    stages: tuple[StageReport, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """Metric -> value, of all stages; of metrics with one name the last."""
        return {name: value for stage in self.stages for name, value in stage.metrics.items()}

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def logical_bytes(self) -> int:
        """Bytes of all output frames."""
        return sum(stage.logical_bytes for stage in self.stages)

    @property
    def stored_bytes(self) -> int:
        """Bytes that the run added to the store."""
        return sum(stage.stored_bytes for stage in self.stages)

    def table(self) -> Table:
        """Return the stages as a table for a terminal."""
        from rich.markup import escape
        from rich.table import Table

        made = Table(box=None, header_style="bold", pad_edge=False)
        for position, title in enumerate(("STAGE", "TIME", "REUSED", "BYTES", "ADDED", "METRICS")):
            made.add_column(title, justify="right" if 1 <= position <= 4 else "left", overflow="fold")
        for stage in self.stages:
            made.add_row(
                escape(stage.name),
                format_seconds(stage.seconds),
                "reused" if stage.reused else "",
                format_bytes(stage.logical_bytes),
                format_bytes(stage.stored_bytes),
                escape(" ".join(f"{name}={value:.6g}" for name, value in stage.metrics.items())),
            )
        return made

    def summary(self) -> str:
        """Return the run in one line."""
        reused = sum(stage.reused for stage in self.stages)
        return (
            f"{self.project}.{self.model}@{self.version}: {len(self.stages)} stages, {reused} reused, "
            f"{format_seconds(self.seconds)}, {format_bytes(self.logical_bytes)} logged, "
            f"{format_bytes(self.stored_bytes)} added"
        )

    def __str__(self) -> str:
        return as_text(self.table(), self.summary())
