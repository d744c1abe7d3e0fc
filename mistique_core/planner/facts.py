"""What the planner is told: stages, intermediates and their measured costs. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from mistique_core.cost import PLAIN, HostRates, StageCost, StoredPart
from mistique_core.model import Need


@dataclass(frozen=True)
class IntermediateFact:
    """One intermediate as the planner sees it.

    Attributes
    ----------
    id, label
        Its row in the catalogue, and ``model@version.intermediate`` for people.
    stage
        Id of the stage that produced it; ``None`` when it was logged by hand.
    materialized
        Whether all its bytes are stored.
    stored_bytes, chunks
        Encoded bytes and number of chunks of the columns that would be read.
    output
        Name of the stage's output that it is; "" for the only one.
    rows, blocks
        Its length, and the number of row blocks that it is stored in.
    exact
        Whether what is stored are the values themselves, not what a lossy scheme has made of them.
    parts
        The columns that would be read, by how they are stored; by default all alike and plain.
    logical_bytes
        Of all its rows, before encoding.
    """

    id: int
    label: str
    stage: int | None
    materialized: bool
    stored_bytes: int
    chunks: int
    output: str = ""
    rows: int = 0
    blocks: int = 1
    exact: bool = True
    parts: tuple[StoredPart, ...] = ()
    logical_bytes: int = 0

    def read_parts(self) -> tuple[StoredPart, ...]:
        """Return what reading it reads."""
        if self.parts:
            return self.parts
        block_rows = -(-self.rows // max(self.blocks, 1))
        return (StoredPart(PLAIN, self.stored_bytes, self.chunks, 0, 0, self.rows, block_rows),)


@dataclass(frozen=True)
class StageFact:
    """One stage as the planner sees it.

    Attributes
    ----------
    id, label
        Its row in the catalogue, and its name for people.
    cost
        Measured seconds.
    inputs
        Ids of the intermediates that it reads.
    obstacle
        Why it cannot be re-run, or ``None``.
    needs
        Output -> input intermediate -> what of it some rows of the output need; an output that is not named
        needs all inputs whole.
    """

    id: int
    label: str
    cost: StageCost
    inputs: tuple[int, ...] = ()
    obstacle: str | None = None
    needs: Mapping[str, Mapping[int, Need]] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Everything that one plan depends on.

    Attributes
    ----------
    intermediates, stages
        The target and its ancestors, and the stages that made them.
    rate
        What this host has measured.
    loaded
        Stages that this process has loaded already.
    """

    intermediates: Mapping[int, IntermediateFact]
    stages: Mapping[int, StageFact]
    rate: HostRates
    loaded: Set[int] = frozenset()
