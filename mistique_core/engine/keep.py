"""Storing what a re-run has made of an intermediate that was not kept (thesis Algorithm 4)."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from mistique_core.catalogue.chunks import register_columns
from mistique_core.catalogue.intermediates import IntermediateRecord, keep_again
from mistique_core.engine.commit import Committer, Pending
from mistique_core.engine.rerun import Rerun

log = logging.getLogger(__name__)


def keep(committer: Committer, record: IntermediateRecord, made: Rerun) -> int:
    """Keep an intermediate again; return the bytes that this added.

    Parameters
    ----------
    committer
        Writes and registers.
    record
        The intermediate.
    made
        Its values, which were compared with what was recorded.

    Raises
    ------
    StorageError
        If the values cannot be written; nothing is then changed.
    """
    outputs = committer.outputs()
    prepared = outputs.add_frame("", made.frame, row_id=None, derived=True, what="the re-run result")

    def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> int:
        ids = register_columns(connection, list(outputs.column_versions.values()))
        added = sum(unclaimed.values())
        if not keep_again(connection, record, [ids[version.address] for version in prepared.versions], added):
            log.info("%s.%s was deleted or kept meanwhile", record.ref.model, record.ref.intermediate)
        return added

    (added,) = committer.commit([Pending(outputs, register)])
    log.info("%s.%s is kept from now on: %d bytes", record.ref.model, record.ref.intermediate, added)
    return added
