"""Whether a re-run is split over several workers, and into which row blocks: a pure function of estimates."""

from __future__ import annotations

from dataclasses import dataclass

from mistique_core.errors import InvalidInputError
from mistique_core.planner.plan import format_seconds


@dataclass(frozen=True)
class SplitCosts:
    """Estimates of one re-run, in seconds.

    Attributes
    ----------
    rerun_seconds
        Of executing all row blocks, without loading anything.
    load_seconds
        Of loading what is executed, such as the layers of a network, in any process.
    worker_seconds
        What a worker needs besides, such as importing TensorFlow. Whoever re-runs everything may have done that
        before, so that it counts against splitting only.
    store_seconds
        Of encoding and storing all row blocks.
    read_seconds
        Of reading all that was stored.
    """

    rerun_seconds: float
    load_seconds: float = 0.0
    worker_seconds: float = 0.0
    store_seconds: float = 0.0
    read_seconds: float = 0.0


@dataclass(frozen=True)
class RerunSplit:
    """How a re-run is divided.

    Attributes
    ----------
    ranges
        Row blocks of each worker, next to each other; none where splitting does not pay.
    alone_seconds, split_seconds
        Estimates of re-running in one process, and of the slowest worker and reading what all have stored.
    reason
        One sentence: why.
    """

    ranges: tuple[range, ...]
    alone_seconds: float
    split_seconds: float
    reason: str

    @property
    def pays(self) -> bool:
        """Whether the re-run is split."""
        return bool(self.ranges)


def split_rerun(blocks: int, workers: int, costs: SplitCosts) -> RerunSplit:
    """Divide row blocks among workers, if they are done sooner than one process that does everything.

    There are as few ranges as are done at the same time as more would be: five row blocks over four workers are three
    ranges, because one worker has two in any case.

    Parameters
    ----------
    blocks
        Number of row blocks, from 0.
    workers
        Most ranges, from 1.
    costs
        The estimates.

    Raises
    ------
    InvalidInputError
        If there is no worker.
    """
    if workers < 1:
        raise InvalidInputError(f"workers={workers} cannot share a re-run; give at least 1")
    alone = costs.load_seconds + costs.rerun_seconds
    most = -(-blocks // workers)
    count = -(-blocks // most) if most else 0
    share = most / blocks if blocks else 1.0
    fixed = costs.worker_seconds + costs.load_seconds + costs.read_seconds
    split = fixed + share * (costs.rerun_seconds + costs.store_seconds)
    if count < 2:
        reason = f"{blocks} row block{'' if blocks == 1 else 's'} over {workers} worker{'' if workers == 1 else 's'}"
        return RerunSplit((), alone, split, f"{reason} cannot be divided.")
    told = f"{count} workers are estimated at {format_seconds(split)} and one process at {format_seconds(alone)}."
    if split >= alone:
        return RerunSplit((), alone, split, told)
    bounds = [blocks * number // count for number in range(count + 1)]
    return RerunSplit(tuple(map(range, bounds, bounds[1:])), alone, split, told)
