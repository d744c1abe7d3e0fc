"""Writes in progress, and the lock between writers and whoever deletes.

A write is announced before its first byte is stored, so that nobody takes a file that is not yet
registered for an orphan. Registering holds the deletion lock shared, deleting holds it exclusively:
on PostgreSQL an advisory lock of the transaction, on SQLite the one write lock that there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.clock import catalogue_seconds
from mistique_core.catalogue.driver_statements import delete_rows, find_row, insert_ignore
from mistique_core.catalogue.tables import open_write

_DELETION_LOCK = 0x4D495347  # "MISG": key of PostgreSQL's advisory lock


@dataclass(frozen=True)
class OpenWrite:
    """A write in progress.

    Attributes
    ----------
    id
        Its identity.
    host, pid
        The process that writes.
    started_at, beat_at
        Its begin, and the last sign of life: Unix seconds by the catalogue's clock.
    """

    id: str
    host: str
    pid: int
    started_at: float
    beat_at: float


def begin_write(connection: sa.Connection, write_id: str, host: str, pid: int, now: float | None = None) -> None:
    """Announce a write; announcing it again is a sign of life. Times are by the catalogue's clock."""
    now = catalogue_seconds(connection) if now is None else now
    if find_row(connection, open_write, {"id": write_id}) is not None:
        connection.execute(sa.update(open_write).where(open_write.c.id == write_id).values(beat_at=now))
        return
    row = {"id": write_id, "host": host[:200], "pid": pid, "started_at": now, "beat_at": now}
    insert_ignore(connection, open_write, [row])


def end_write(connection: sa.Connection, write_id: str) -> None:
    """Record that a write has ended; one that is not there is not an error."""
    delete_rows(connection, open_write, {"id": write_id})


def open_writes(connection: sa.Connection) -> list[OpenWrite]:
    """Return all announced writes, oldest first."""
    query = sa.select(open_write).order_by(open_write.c.started_at, open_write.c.id)
    return [OpenWrite(**row._mapping) for row in connection.execute(query)]


def hold_shared(connection: sa.Connection) -> None:
    """Keep deletions away until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_DELETION_LOCK)))


def hold_exclusively(connection: sa.Connection) -> None:
    """Keep registering writers and other deletions away until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_DELETION_LOCK)))
