"""Re-running what a query asks for: as planned, or because what is stored is damaged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import sqlalchemy as sa

from mistique_core.cost import NO_RATES, WantedRows
from mistique_core.engine.frame_reader import FrameReader, RowIds, is_units
from mistique_core.engine.heal import Healer
from mistique_core.engine.rerun import Rerun, rerun, rerun_rows
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.shared_work import SharedWork
from mistique_core.engine.units_rerun import RerunUnits, UnitsRerunner
from mistique_core.errors import CorruptPartitionError, InvalidInputError, MistiqueError, NotMaterializedError
from mistique_core.planner import Facts, Strategy, TargetPlan, plan_target
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.keeping import Keeping
from mistique_core.store.query_target import QueryTarget

log = logging.getLogger(__name__)


class QueryReruns:
    """Re-runs targets of queries, keeps what pays, and stores damaged bytes again.

    Parameters
    ----------
    reader, healer, keeping, measured
        Of the store.
    forget
        Called when what is remembered about intermediates no longer holds.

    Attributes
    ----------
    units
        Re-runs layers of networks.
    """

    def __init__(
        self,
        reader: FrameReader,
        healer: Healer,
        keeping: Keeping,
        measured: HostMeasurements,
        forget: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._healer = healer
        self._keeping = keeping
        self._measured = measured
        self._forget = forget
        self.units = UnitsRerunner(reader)

    def where_planned(
        self,
        connection: sa.Connection,
        targets: list[QueryTarget],
        strategy: Strategy,
        named: RowIds | None,
        shared: SharedWork | None,
    ) -> bool | None:
        """Re-run the targets whose plan says so; return whether what was made was compared with the record.

        A target that cannot be re-run is read instead, if it can be; its plan then says why.

        Raises
        ------
        NotMaterializedError
            If what a plan starts from is no longer stored.
        MistiqueError
            If a target can be neither re-run nor read, or a re-run was asked for.
        """
        verified = None
        planned = [target for target in targets if target.plan is not None and target.plan.strategy == "rerun"]
        if shared is None and len(planned) > 1:
            shared = SharedWork()
        for target in sorted(planned, key=lambda target: target.record.ref.id):  # what feeds others comes first
            assert target.plan is not None
            if shared is not None:
                target.plan = self._sharing_plan(connection, target, named, shared)
            try:
                if self._holds_units(target):
                    by_rows = named is not None and target.plan.by_rows
                    self._rerun_units(connection, target, target.plan, named if by_rows else None, shared)
                    target.plan = self._kept_if_it_pays(target, target.rerun_units)
                elif named is not None and target.plan.by_rows:
                    target.rerun_frame = self._rerun_rows(connection, target, named)
                else:
                    took = RerunTally()
                    made = rerun(connection, target.plan, target.record, self._reader, took, shared)
                    target.rerun_frame, target.took = made.frame, took
                    target.plan = self._kept_if_it_pays(target, made)
                    verified = True
            except NotMaterializedError:
                raise
            except MistiqueError as error:
                if strategy == "rerun" or target.plan.read_seconds is None:
                    raise
                log.warning("reading %s, because the re-run failed: %s", target.plan.label, error)
                target.plan = replace(target.plan, strategy="read", reason=f"the re-run failed: {error}")
        return verified

    def damaged(
        self, connection: sa.Connection, targets: list[QueryTarget], strategy: Strategy, error: CorruptPartitionError
    ) -> bool:
        """Re-run the targets that cannot be read, and store them again.

        Raises
        ------
        CorruptPartitionError
            The given error, if reading was asked for or a target cannot be re-run.
        """
        rerun_any = False
        for target in targets:
            assert target.plan is not None
            if target.is_rerun or self._is_readable(connection, target):
                continue
            if strategy == "read" or target.plan.rerun_seconds is None:
                raise error
            try:
                if self._holds_units(target):
                    self._rerun_units(connection, target, self._whole_plan(target), None)
                    reason = f"its stored bytes are damaged ({error}); log the network again to store them."
                    rerun_any, target.plan = True, replace(target.plan, strategy="rerun", reason=reason)
                    continue
                made = rerun(connection, self._whole_plan(target), target.record, self._reader)
            except MistiqueError as second:
                log.warning("%s can neither be read nor re-run: %s", target.plan.label, second)
                raise error from second
            rerun_any, target.rerun_frame = True, made.frame
            target.plan = replace(target.plan, strategy="rerun", reason=self._heal(made, error))
        if not rerun_any:
            raise error
        return rerun_any

    def facts_for(self, target: QueryTarget, names: list[str]) -> Facts:
        """Return the facts that a target is planned by, with this host's rates."""
        return target.facts.facts(
            names,
            self._measured.rates,
            {stage for stage in target.facts.stages if self.units.is_loaded(stage)},
            knows_row_ids=self._reader.knows_row_ids(target.record),
        )

    def _sharing_plan(
        self, connection: sa.Connection, target: QueryTarget, named: RowIds | None, shared: SharedWork
    ) -> TargetPlan:
        """Return the plan of re-running a target that begins with what others have made."""
        assert target.plan is not None
        facts = self.facts_for(target, list(target.known))
        if self._holds_units(target):
            ids = self._reader.row_index(connection, target.record).ids if named is None else named
            facts = shared.cheapen(facts, ids, by_rows=True)
        else:
            facts = shared.cheapen(facts, None, by_rows=named is not None and target.plan.by_rows)
        rows = None if named is None else WantedRows(len(named))
        plan = plan_target(target.record.ref.id, facts, "rerun", rows)
        before = target.plan
        return replace(
            plan, reason=before.reason, read_seconds=before.read_seconds, stored_bytes=before.stored_bytes,
            chunks=before.chunks, read_work=before.read_work, asked=before.asked, kept_after=before.kept_after,
        )  # fmt: skip

    def _rerun_units(
        self,
        connection: sa.Connection,
        target: QueryTarget,
        plan: TargetPlan,
        named: RowIds | None,
        shared: SharedWork | None = None,
    ) -> None:
        """Run a network for all rows of a target, or for those that are named."""
        columns = list(target.known.values())
        took = RerunTally()
        target.rerun_units = self.units.rerun(connection, plan, target.record, columns, named, took, shared)
        target.took = took

    def _rerun_rows(self, connection: sa.Connection, target: QueryTarget, named: RowIds) -> pd.DataFrame:
        """Return the named rows, made from these rows only, or else with all others."""
        assert target.plan is not None
        try:
            took = RerunTally()
            made = rerun_rows(connection, target.plan, target.record, self._reader, named, took)
        except NotMaterializedError:
            raise
        except MistiqueError as error:
            log.info(
                "re-running all rows of %s, because some rows alone could not be made: %s", target.plan.label, error
            )
            return rerun(connection, self._whole_plan(target), target.record, self._reader).frame
        target.took = took
        return made

    def _whole_plan(self, target: QueryTarget) -> TargetPlan:
        """Return the plan of re-running all rows."""
        facts = target.facts.facts(list(target.known), NO_RATES)
        return plan_target(target.record.ref.id, facts, "rerun")

    def _kept_if_it_pays(self, target: QueryTarget, made: Rerun | RerunUnits | None) -> TargetPlan:
        """Store a re-run result, where queries have shown that reading it would save enough (thesis Algorithm 4)."""
        assert target.plan is not None
        if made is None:
            return target.plan
        plan = self._keeping.keep(target.record, target.facts, target.plan, made)
        if plan is not target.plan:
            self._forget()
        return plan

    def _heal(self, made: Rerun, error: CorruptPartitionError) -> str:
        """Store a re-run result again where its chunks are damaged; return what to tell the user."""
        try:
            count = self._healer.heal(made)
        except MistiqueError as second:
            log.warning("what was damaged could not be stored again: %s", second)
            return f"its stored bytes are damaged ({error}); they could not be stored again: {second}."
        return f"its stored bytes are damaged ({error}); {count} chunks were stored again from the re-run."

    def _is_readable(self, connection: sa.Connection, target: QueryTarget) -> bool:
        try:
            ids = self._reader.row_index(connection, target.record).ids
            self._reader.frame_of(connection, list(target.known.values()), ids, None)
        except CorruptPartitionError:
            return False
        except InvalidInputError:  # maps
            return self._are_maps_readable(connection, target)
        return True

    def _are_maps_readable(self, connection: sa.Connection, target: QueryTarget) -> bool:
        try:
            self._reader.units(connection, list(target.known.values()), None, None)
        except CorruptPartitionError:
            return False
        return True

    @staticmethod
    def _holds_units(target: QueryTarget) -> bool:
        return any(is_units(column) and column.unit is not None for column in target.known.values())
