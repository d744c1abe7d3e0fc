"""The planner's answer: read or re-run, why, and what it will touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Strategy = Literal["auto", "read", "rerun"]
Chosen = Literal["read", "rerun", "mixed"]
STRATEGIES: tuple[Strategy, ...] = ("auto", "read", "rerun")


class Step(NamedTuple):
    """One execution in a re-run.

    Attributes
    ----------
    stage
        Id of the stage.
    output
        Id of the intermediate of which it makes the wanted rows; ``None`` where it makes all of all outputs.
    """

    stage: int
    output: int | None


@dataclass(frozen=True)
class TargetPlan:
    """The plan for the columns of one intermediate.

    Attributes
    ----------
    intermediate
        Id of the intermediate.
    label
        ``project.model@version.intermediate`` for people.
    strategy
        ``read`` or ``rerun``.
    reason
        One sentence: why.
    read_seconds, rerun_seconds
        Estimates; ``None`` where that strategy is impossible.
    stages
        Ids of the stages that a rerun executes, in order.
    stage_labels
        Their names.
    frontier
        Ids of the materialized intermediates that the rerun starts from.
    frontier_labels
        Their names.
    stored_bytes, chunks
        What a READ of the requested columns fetches.
    steps
        What a rerun executes, in order.
    rows_of
        Those of the frontier of which only the wanted rows are read.
    asked
        Positions of the stored columns that the query asks for: what it counts as a query to.
    kept_after
        After how many more such queries, this one included, what a re-run has made of them is stored; ``None`` where
        nothing will be stored.
    """

    intermediate: int
    label: str
    strategy: Literal["read", "rerun"]
    reason: str
    read_seconds: float | None
    rerun_seconds: float | None
    stages: tuple[int, ...]
    stage_labels: tuple[str, ...]
    frontier: tuple[int, ...]
    frontier_labels: tuple[str, ...]
    stored_bytes: int
    chunks: int
    steps: tuple[Step, ...] = ()
    rows_of: frozenset[int] = frozenset()
    asked: tuple[int, ...] = ()
    kept_after: int | None = None

    @property
    def by_rows(self) -> bool:
        """Whether a re-run makes only the wanted rows of the intermediate."""
        return bool(self.steps) and self.steps[-1].output == self.intermediate


@dataclass(frozen=True)
class QueryPlan:
    """How a query will be, or was, answered.

    Attributes
    ----------
    targets
        One plan for each intermediate that the query touches.
    measured_seconds
        Wall time of the query; ``None`` before it ran.
    verified
        After a RERUN: whether the values equal those recorded; ``None`` when nothing was compared.
    """

    targets: tuple[TargetPlan, ...]
    measured_seconds: float | None = None
    verified: bool | None = None

    @property
    def strategy(self) -> Chosen:
        """``read``, ``rerun``, or ``mixed`` when the targets differ."""
        chosen = {target.strategy for target in self.targets}
        return chosen.pop() if len(chosen) == 1 else "mixed"

    @property
    def read_seconds(self) -> float | None:
        """Estimated seconds to read every target; ``None`` if one cannot be read."""
        return _total([target.read_seconds for target in self.targets])

    @property
    def rerun_seconds(self) -> float | None:
        """Estimated seconds to re-run every target; ``None`` if one cannot be re-run."""
        return _total([target.rerun_seconds for target in self.targets])

    @property
    def reason(self) -> str:
        """Why, in one clause; the totals when all targets were chosen by estimate."""
        reasons = list(dict.fromkeys(target.reason for target in self.targets))
        if len(reasons) == 1:
            return reasons[0]
        read, rerun = self.read_seconds, self.rerun_seconds
        if self.strategy == "mixed" or read is None or rerun is None:
            return " ".join(f"{target.label}: {target.reason}" for target in self.targets)
        return estimated_reason(self.strategy, read, rerun, f"all {len(self.targets)} intermediates")

    def explain(self) -> str:
        """Return the plan as text: estimates, frontier, stages, bytes, and the measured time if it ran."""
        lines = []
        for target in self.targets:
            lines.append(f"{target.label}: {target.strategy.upper()} because {target.reason}")
            lines.append(
                f"  READ  {format_seconds(target.read_seconds)}: {target.chunks} chunks, "
                f"{format_bytes(target.stored_bytes)} stored"
            )
            path = " -> ".join(target.stage_labels) or "nothing to run"
            start = ", ".join(target.frontier_labels) or "its source"
            rows = " for the wanted rows" if target.by_rows else ""
            lines.append(f"  RERUN {format_seconds(target.rerun_seconds)}: {path}{rows}, starting from {start}")
            if target.kept_after is not None and self.measured_seconds is None:
                lines.append(
                    f"  kept after {target.kept_after} more {'query' if target.kept_after == 1 else 'queries'}"
                )
        if self.measured_seconds is not None:
            verdict = {True: ", equal to what was recorded", False: ", DIFFERS from what was recorded", None: ""}
            lines.append(f"took {format_seconds(self.measured_seconds)}{verdict[self.verified]}")
        return "\n".join(lines)


def estimated_reason(strategy: Chosen, read: float, rerun: float, what: str = "") -> str:
    """Return why the cheaper of two estimates (seconds) was chosen."""
    of = f" {what}" if what else ""
    if strategy == "read":
        return f"reading{of} is estimated at {format_seconds(read)} and re-running at {format_seconds(rerun)}."
    return f"re-running{of} is estimated at {format_seconds(rerun)} and reading at {format_seconds(read)}."


def _total(seconds: list[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return sum(known) if len(known) == len(seconds) else None


def format_seconds(seconds: float | None) -> str:
    """Return a duration for people; ``impossible`` for ``None``."""
    if seconds is None:
        return "impossible"
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms"


def format_bytes(count: float) -> str:
    """Return a size for people, in decimal units."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count:.0f} B"
