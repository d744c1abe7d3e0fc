"""Which columns a policy keeps: from the catalogue to the pure choice, and back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.column_use import Uses
from mistique_core.catalogue.facts import TargetFacts
from mistique_core.catalogue.holdings import version_chunks
from mistique_core.catalogue.intermediates import IntermediateRecord
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.cost import HostRates
from mistique_core.engine.weigh import grouped, names_at, plan_without, rerun_seconds
from mistique_core.errors import MistiqueError
from mistique_core.maintenance.held_bytes import HeldBytes
from mistique_core.materialization import Candidate, Policy, choose_kept

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choosable:
    """An intermediate that a policy decides about.

    Attributes
    ----------
    record, facts
        The intermediate.
    columns
        Position -> column version of what it keeps now.
    uses
        How often it was asked for; ``None`` for never.
    """

    record: IntermediateRecord
    facts: TargetFacts
    columns: Mapping[int, int]
    uses: Uses | None

    def versions_lost(self, positions: Collection[int]) -> set[int]:
        """Return the column versions that it no longer refers to without some columns."""
        left = {version for position, version in self.columns.items() if position not in positions}
        return {self.columns[position] for position in positions} - left - {self.record.row_id_version.id}


def can_go(connection: sa.Connection, facts: TargetFacts, rate: HostRates) -> bool:
    """Whether an intermediate was made by a stage from others, and could be re-run."""
    record = facts.record
    if record.stage_id is None:
        return False
    given = connection.scalar(sa.select(stage_input.c.name).where(stage_input.c.stage_id == record.stage_id).limit(1))
    if given is None:
        return False
    try:
        plan_without(facts, frozenset(), rate)
    except MistiqueError as error:
        log.debug("%s stays: %s", record.ref.intermediate, error)
        return False
    return True


def choose(
    connection: sa.Connection, items: Sequence[Choosable], policy: Policy, held: HeldBytes, rate: HostRates
) -> dict[int, frozenset[int]]:
    """Return intermediate -> positions of the columns that stay.

    Parameters
    ----------
    connection
        A connection.
    items
        In order of creation.
    policy
        What decides.
    held
        Sizes.
    rate
        This host's.
    """
    stored = version_chunks(connection, {version for item in items for version in item.columns.values()})
    candidates = []
    for item in items:
        for count, positions in grouped(item.columns, item.uses or Uses()):
            versions = [item.columns[position] for position in positions]
            plan = plan_without(item.facts, frozenset(), rate, names=names_at(item.facts, positions))
            candidates.append(
                Candidate(
                    item.record.ref.id,
                    positions,
                    plan.read_seconds or 0.0,
                    held.shared(versions),
                    count,
                    stored.union(versions),
                )
            )
    costs = _RerunCosts(items, rate)
    found: dict[int, set[int]] = defaultdict(set)
    for item_id, positions in choose_kept(candidates, policy, costs.seconds, stored.sizes):
        found[item_id].update(positions)
    return {item_id: frozenset(positions) for item_id, positions in found.items()}


class _RerunCosts:
    """Estimates of re-running, each made once for the ancestors that stay."""

    def __init__(self, items: Sequence[Choosable], rate: HostRates) -> None:
        self._facts = {item.record.ref.id: item.facts for item in items}
        self._rate = rate
        self._known: dict[tuple[int, frozenset[int]], float] = {}

    def seconds(self, item: int, kept: Set[int]) -> float:
        """Return the estimate of re-running an intermediate when some are kept as a whole."""
        facts = self._facts[item]
        gone = frozenset(facts.ancestors.keys() & self._facts.keys() - set(kept))
        if (item, gone) not in self._known:
            self._known[item, gone] = rerun_seconds(facts, gone, self._rate)
        return self._known[item, gone]
