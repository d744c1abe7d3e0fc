"""A lock with a name, held by one thread of one process at a time, whichever host it runs on.

Nothing is left of it when its holder dies. On PostgreSQL it is an advisory lock of a connection of its own; on SQLite
one of a fixed number of files beside the catalogue. Names that share a file wait for each other, which costs time but
nothing else; so whoever holds one lock must not wait for another.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from blake3 import blake3
from sqlalchemy.exc import DBAPIError

from mistique_core.catalogue.database import Catalogue
from mistique_core.errors import CatalogueUnavailableError

log = logging.getLogger(__name__)

FILES = 64
FOLDER_SUFFIX = ".locks"


@contextmanager
def named_lock(catalogue: Catalogue, name: str) -> Iterator[None]:
    """Wait for a lock, however long somebody else holds it, and hold it.

    Parameters
    ----------
    catalogue
        Whose users exclude each other.
    name
        Any text.

    Raises
    ------
    CatalogueUnavailableError
        If the database cannot be reached, or the lock's file cannot be written.
    """
    digest = blake3(b"lock\0" + name.encode("utf-8", "surrogatepass")).digest()
    if catalogue.dialect == "sqlite":
        with _file_lock(Path(f"{catalogue.url.database}{FOLDER_SUFFIX}") / f"{digest[0] % FILES:02}"):
            yield
    else:
        with _advisory_lock(catalogue, int.from_bytes(digest[:8], "big", signed=True)):
            yield


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise CatalogueUnavailableError(
            f"the lock file {path} cannot be written: {error.strerror}; check the folder of the catalogue"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _advisory_lock(catalogue: Catalogue, key: int) -> Iterator[None]:
    try:
        connection = catalogue.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # it never comes back to the pool: closing it ends the lock in any case
    except DBAPIError as error:
        raise _unreachable(catalogue, error) from error
    try:
        try:
            connection.exec_driver_sql("SET lock_timeout = 0")
            connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
        except DBAPIError as error:
            raise _unreachable(catalogue, error) from error
        yield
    finally:
        try:
            connection.close()
        except DBAPIError as error:
            log.warning("the connection of a lock was lost while it was held: %s", error)


def _unreachable(catalogue: Catalogue, error: DBAPIError) -> CatalogueUnavailableError:
    return CatalogueUnavailableError(
        f"the catalogue {catalogue.shown_url} gives no lock: {str(error.orig).strip()}; check that it is reachable"
    )
