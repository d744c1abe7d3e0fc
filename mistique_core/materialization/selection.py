"""Choosing what stays stored: a pure function of costs (thesis 5.5.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set

from mistique_core.cost import gamma
from mistique_core.materialization.candidate import Candidate, Part
from mistique_core.materialization.policy import Adaptive, Budget, Policy

Rerun = Callable[[int, Set[int]], float]
"""Takes an intermediate and those that are kept as a whole; returns the estimate of re-running it, in seconds."""


def choose_kept(
    candidates: Sequence[Candidate], policy: Policy, rerun: Rerun, chunk_bytes: Mapping[int, int]
) -> set[Part]:
    """Return the candidates that stay.

    Parameters
    ----------
    candidates
        In the order in which they were made: ancestors before what was made from them.
    policy
        What decides.
    rerun
        Costs of a re-run, which fall with every ancestor that stays.
    chunk_bytes
        Chunk -> encoded bytes.

    Returns
    -------
    set of Part
        `KeepAll` keeps all. `Adaptive` keeps those with a gamma of at least its threshold, each judged with
        the ancestors that stay. `Budget` takes the one of the largest gamma first, then the next best as costs are
        then, until nothing more fits; what nobody has asked for yet counts as asked for once, so that the limit is
        used. What several share counts once.
    """
    if isinstance(policy, Budget):
        return _Filling(candidates, policy.limit_bytes, rerun, chunk_bytes).fill()
    if isinstance(policy, Adaptive):
        whole = _Whole(candidates)
        kept: set[Part] = set()
        for item in candidates:
            saved = gamma(rerun(item.id, whole.kept), item.read_seconds, item.queries, item.stored_bytes)
            if saved >= policy.gamma_min:
                kept.add(item.part)
                whole.keep(item)
        return kept
    return {item.part for item in candidates}


class _Whole:
    """Which intermediates are kept as a whole: only from these can a re-run begin."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._missing: dict[int, int] = defaultdict(int)
        for item in candidates:
            self._missing[item.id] += 1
        self.kept: set[int] = set()

    def keep(self, item: Candidate) -> bool:
        """Note that a candidate is kept; return whether all of its intermediate is then."""
        self._missing[item.id] -= 1
        if not self._missing[item.id]:
            self.kept.add(item.id)
        return not self._missing[item.id]


class _Filling:
    """Fills a budget, keeping up to date what each candidate would add."""

    def __init__(
        self, candidates: Sequence[Candidate], limit_bytes: int, rerun: Rerun, chunk_bytes: Mapping[int, int]
    ) -> None:
        self._left = limit_bytes
        self._rerun = rerun
        self._sizes = chunk_bytes
        self._waiting = {item.part: item for item in candidates}
        self._whole = _Whole(candidates)
        self._adds = {item.part: sum(chunk_bytes[chunk] for chunk in item.chunks) for item in candidates}
        self._held: set[int] = set()
        self._users: dict[int, list[Part]] = defaultdict(list)
        for item in candidates:
            for chunk in item.chunks:
                self._users[chunk].append(item.part)
        self._seconds: dict[int, float] = {}

    def fill(self) -> set[Part]:
        """Return what is kept."""
        kept: set[Part] = set()
        while True:
            fitting = [item for item in self._waiting.values() if self._adds[item.part] <= self._left]
            best = max(fitting, key=self._gamma, default=None)
            if best is None or self._gamma(best) <= 0:
                return kept
            kept.add(best.part)
            self._keep(best)

    def _gamma(self, item: Candidate) -> float:
        if item.id not in self._seconds:
            self._seconds[item.id] = self._rerun(item.id, self._whole.kept)
        return gamma(self._seconds[item.id], item.read_seconds, max(item.queries, 1), self._adds[item.part])

    def _keep(self, item: Candidate) -> None:
        del self._waiting[item.part]
        self._left -= self._adds[item.part]
        for chunk in item.chunks - self._held:
            for part in self._users[chunk]:
                self._adds[part] -= self._sizes[chunk]
        self._held |= item.chunks
        if self._whole.keep(item):
            self._seconds.clear()
