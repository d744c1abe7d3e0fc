"""Storing what a re-run has made of columns that were not kept (thesis Algorithm 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import NewColumn, register_columns
from mistique_core.catalogue.holdings import hold_budget
from mistique_core.catalogue.intermediates import IntermediateRecord
from mistique_core.catalogue.letting_go import keep_again
from mistique_core.engine.commit import Committer, Pending
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.unit_keep import EncodedUnits

log = logging.getLogger(__name__)

Guard = Callable[[sa.Connection], None]
"""Makes room, or raises, in the transaction that registers what is kept."""


def keep_frame(
    committer: Committer,
    record: IntermediateRecord,
    frame: pd.DataFrame,
    names: Mapping[int, str],
    guard: Guard,
) -> int:
    """Keep columns of a table again; return the bytes that this added.

    Parameters
    ----------
    committer
        Writes and registers.
    record
        The intermediate.
    frame
        All its columns, which were compared with what was recorded.
    names
        Position -> name of the columns to keep.
    guard
        Keeps budgets.

    Raises
    ------
    StorageError
        If the values cannot be written; nothing is then changed.
    MistiqueError
        Whatever `guard` raises; nothing is then changed.
    """
    outputs = committer.outputs()
    wanted = frame[list(names.values())]
    prepared = outputs.add_frame("", wanted, row_id=None, derived=True, what="the re-run result")
    return _commit(committer, record, outputs, dict(zip(names, prepared.versions, strict=True)), guard)


def keep_units(
    committer: Committer,
    record: IntermediateRecord,
    encoded: EncodedUnits,
    guard: Guard,
    *,
    registered_bytes: int = 0,
    begin: Guard | None = None,
) -> int:
    """Keep groups of units of a layer again, whose addresses were compared; otherwise as :func:`keep_frame`.

    Parameters
    ----------
    committer, record, guard
        See :func:`keep_frame`.
    encoded
        The groups; chunks that are registered already need no array.
    registered_bytes
        Bytes of these, as far as they were new.
    begin
        What else the transaction does, first.
    """
    outputs = committer.outputs()
    outputs.column_versions.update((column.address, column) for column in encoded.categories)
    outputs.column_versions.update((column.address, column) for column in encoded.columns.values())
    outputs.arrays.update(encoded.arrays)
    return _commit(committer, record, outputs, encoded.columns, guard, registered_bytes, begin)


def _commit(
    committer: Committer,
    record: IntermediateRecord,
    outputs: OutputSet,
    columns: Mapping[int, NewColumn],
    guard: Guard,
    registered_bytes: int = 0,
    begin: Guard | None = None,
) -> int:
    def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> int:
        hold_budget(connection)
        if begin is not None:
            begin(connection)
        ids = register_columns(connection, list(outputs.column_versions.values()))
        added = sum(unclaimed.values()) + registered_bytes
        versions = {position: ids[column.address] for position, column in columns.items()}
        if keep_again(connection, record, versions, added):
            guard(connection)
        else:
            log.info("%s.%s was deleted or kept meanwhile", record.ref.model, record.ref.intermediate)
        return added

    (added,) = committer.commit([Pending(outputs, register)])
    log.info(
        "%s.%s: %d columns are kept from now on, %d bytes",
        record.ref.model,
        record.ref.intermediate,
        len(columns),
        added,
    )
    return added
