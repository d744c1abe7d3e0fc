"""The planner's answer: read or re-run, why, and what it will touch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mistique_core.cost import Work

Strategy = Literal["auto", "read", "rerun"]
Chosen = Literal["read", "rerun", "mixed"]
STRATEGIES: tuple[Strategy, ...] = ("auto", "read", "rerun")

_SHOWN_BYTES = 1e5


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
    read_work, frontier_work
        The work of a READ, and of reading what a re-run starts from.
    around_work
        The work of a re-run besides its stages and its reading.
    step_seconds
        Estimate of each step.
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
    read_work: Work = field(default_factory=dict)
    frontier_work: Work = field(default_factory=dict)
    around_work: Work = field(default_factory=dict)
    step_seconds: tuple[float, ...] = ()
    asked: tuple[int, ...] = ()
    kept_after: int | None = None

    def reading(self) -> str:
        """Return what a READ fetches and rebuilds, for people."""
        touched = sum(amount for term, amount in self.read_work.items() if term.startswith("chunk."))
        stored = sum(amount for term, amount in self.read_work.items() if term.startswith("stored."))
        chunks = f"{self.chunks} chunks" if round(touched) == self.chunks else f"{touched:.0f} of {self.chunks} chunks"
        rebuilt = [
            f"{format_bytes(amount)} of {term.partition('.')[2]} values"
            for term, amount in self.read_work.items()
            if term.startswith("decoded.") and amount >= _SHOWN_BYTES
        ]
        return f"{chunks}, {format_bytes(stored)} stored" + "".join(f", {item}" for item in rebuilt)

    def path(self) -> list[str]:
        """Return the stages that a re-run executes, in order, each with its estimate."""
        if len(self.step_seconds) != len(self.stage_labels):
            return list(self.stage_labels)
        pairs = zip(self.stage_labels, self.step_seconds, strict=True)
        return [f"{label} ({format_seconds(seconds)})" for label, seconds in pairs]

    @property
    def by_rows(self) -> bool:
        """Whether a re-run makes only the wanted rows of the intermediate."""
        return bool(self.steps) and self.steps[-1].output == self.intermediate


class Fetched(NamedTuple):
    """What a query fetched from storage; what was cached in memory does not count.

    Attributes
    ----------
    chunks, stored_bytes
        Chunks of which anything was fetched, and encoded bytes.
    skipped_chunks
        Chunks that a predicate ruled out unread.
    """

    chunks: int
    stored_bytes: int
    skipped_chunks: int = 0


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
    fetched
        What it fetched; ``None`` before it ran.
    """

    targets: tuple[TargetPlan, ...]
    measured_seconds: float | None = None
    verified: bool | None = None
    fetched: Fetched | None = None

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
            lines.append(f"  READ  {format_seconds(target.read_seconds)}: {target.reading()}")
            path = " -> ".join(target.path()) or "nothing to run"
            start = ", ".join(target.frontier_labels) or "its source"
            rows = " for the wanted rows" if target.by_rows else ""
            lines.append(f"  RERUN {format_seconds(target.rerun_seconds)}: {path}{rows}, starting from {start}")
            if target.kept_after is not None and self.measured_seconds is None:
                lines.append(
                    f"  kept after {target.kept_after} more {'query' if target.kept_after == 1 else 'queries'}"
                )
        if self.measured_seconds is not None:
            verdict = {True: ", equal to what was recorded", False: ", DIFFERS from what was recorded", None: ""}
            taken = f"took {format_seconds(self.measured_seconds)}{verdict[self.verified]}"
            if self.fetched is not None:
                taken += f"; fetched {self.fetched.chunks} chunks, {format_bytes(self.fetched.stored_bytes)}"
            lines.append(taken)
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
