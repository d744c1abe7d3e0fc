"""Choosing what stays stored: a pure function of costs (thesis 5.5.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from mistique_core.cost import gamma
from mistique_core.materialization.policy import Adaptive, Budget, Policy


@dataclass(frozen=True)
class Candidate:
    """An intermediate that could be re-run instead of being kept.

    Attributes
    ----------
    id
        The intermediate.
    read_seconds
        Estimate of reading it.
    stored_bytes
        Encoded bytes that only it (and others that are not kept either) holds.
    queries
        Queries made to it so far.
    """

    id: int
    read_seconds: float
    stored_bytes: int
    queries: int


Rerun = Callable[[int, Set[int]], float]
"""Takes a candidate and the candidates that are kept; returns the estimate of re-running it, in seconds."""


def choose_kept(candidates: Sequence[Candidate], policy: Policy, rerun: Rerun) -> set[int]:
    """Return the candidates that stay.

    Parameters
    ----------
    candidates
        In the order in which they were made: ancestors before what was made from them.
    policy
        What decides.
    rerun
        Costs of a re-run, which fall with every ancestor that stays.

    Returns
    -------
    set of int
        Ids. `KeepAll` keeps all. `Adaptive` keeps those with a gamma of at least its threshold, each judged with
        the ancestors that stay. `Budget` takes the one of the largest gamma first, then the next best as costs are
        then, until nothing more fits; what nobody has asked for yet counts as asked for once, so that the limit is
        used.
    """
    if isinstance(policy, Adaptive):
        kept: set[int] = set()
        for item in candidates:
            saved = gamma(rerun(item.id, kept), item.read_seconds, item.queries, item.stored_bytes)
            if saved >= policy.gamma_min:
                kept.add(item.id)
        return kept
    if isinstance(policy, Budget):
        return _fill(candidates, policy.limit_bytes, rerun)
    return {item.id for item in candidates}


def _fill(candidates: Sequence[Candidate], limit_bytes: int, rerun: Rerun) -> set[int]:
    kept: set[int] = set()
    left = limit_bytes
    while True:
        fitting = [item for item in candidates if item.id not in kept and item.stored_bytes <= left]
        worth = {
            item.id: gamma(rerun(item.id, kept), item.read_seconds, max(item.queries, 1), item.stored_bytes)
            for item in fitting
        }
        best = max(fitting, key=lambda item: worth[item.id], default=None)
        if best is None or worth[best.id] <= 0:
            return kept
        kept.add(best.id)
        left -= best.stored_bytes
