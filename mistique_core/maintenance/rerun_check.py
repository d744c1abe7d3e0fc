"""Does a re-run give what is recorded? Asked before an intermediate is let go."""

from __future__ import annotations

import logging

import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.facts import TargetFacts
from mistique_core.catalogue.intermediates import IntermediateRecord
from mistique_core.cost import HostRates
from mistique_core.engine.array_rerun import ArrayRerunner
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.rerun import rerun, rerun_rows
from mistique_core.engine.unit_keep import (
    batch_rows_of,
    codec_of,
    encode_units,
    is_layer,
    pooling_of,
    recorded_addresses,
)
from mistique_core.engine.weigh import plan_without
from mistique_core.errors import MistiqueError, RerunMismatchError

log = logging.getLogger(__name__)

_SAMPLE_ROWS = 64


class RerunCheck:
    """Re-runs intermediates from what is stored, and compares.

    Of a table all columns are compared, and a sample of its rows by themselves where the stages on the way make rows
    from rows. Of a layer all rows are run in batches as they were captured, quantized with the recorded fits, and
    compared by content address: bit for bit.

    Parameters
    ----------
    reader
        Reads what a re-run begins with.
    rate
        This host's.
    """

    def __init__(self, reader: FrameReader, rate: HostRates) -> None:
        self._reader = reader
        self._rate = rate
        self._arrays = ArrayRerunner(reader)

    def is_equal(self, connection: sa.Connection, record: IntermediateRecord, facts: TargetFacts) -> bool:
        """Return whether re-running an intermediate gives what is recorded; what differs is logged."""
        try:
            if is_layer(list(facts.columns.values())):
                self._compare_layer(connection, record, facts)
            else:
                self._compare_table(connection, record, facts)
        except (AssertionError, RerunMismatchError) as error:
            log.warning("%s stays stored, because its re-run gives other values: %s", record.ref.intermediate, error)
            return False
        except MistiqueError as error:
            log.warning("%s stays stored, because it cannot be re-run: %s", record.ref.intermediate, error)
            return False
        return True

    def _compare_table(self, connection: sa.Connection, record: IntermediateRecord, facts: TargetFacts) -> None:
        ids = self._reader.row_index(connection, record).ids
        sample = ids[:: max(1, -(-len(ids) // _SAMPLE_ROWS))]
        rerun(connection, plan_without(facts, frozenset(), self._rate), record, self._reader)
        plan = plan_without(facts, frozenset(), self._rate, rows=len(sample))
        if not plan.by_rows or not record.is_kept:
            return
        made = rerun_rows(connection, plan, record, self._reader, sample)
        pd.testing.assert_frame_equal(made, self._reader.rows(connection, record, sample), check_exact=True)

    def _compare_layer(self, connection: sa.Connection, record: IntermediateRecord, facts: TargetFacts) -> None:
        columns = list(facts.columns.values())
        codec = codec_of(connection, self._reader, record, columns)
        plan = plan_without(facts, frozenset(), self._rate)
        _, values = self._arrays.rerun(connection, plan, record, None)
        recorded = recorded_addresses(columns)
        batch_rows, pooling = batch_rows_of(connection, record, codec), pooling_of(connection, record, codec)
        for position, address in recorded.items():  # one group at a time, so that little is in memory
            encoded = encode_units(values, codec, [position], batch_rows, pooling)
            if encoded.columns[position].address != address:
                raise RerunMismatchError(
                    f"group {position} of its units differs in at least one bit, on this machine and in batches of "
                    f"{batch_rows} rows"
                )
