"""Bring a catalogue to this version's schema, safely when several processes open it at once."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.errors import CatalogueUnavailableError

log = logging.getLogger(__name__)

HEAD = "0006"
_LOCK_ID = 0x4D495354  # "MIST": key of PostgreSQL's advisory lock
_VERSION_TABLE = "mistique_schema"


def ensure_schema(catalogue: Catalogue) -> None:
    """Create or upgrade the schema where it is behind.

    Raises
    ------
    CatalogueUnavailableError
        If the database cannot be reached, or was written by a newer version.
    """
    current = _current(catalogue)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise CatalogueUnavailableError(
            f"the catalogue {catalogue.shown_url} has schema {current}, newer than {HEAD}; upgrade mistique-airflow"
        )
    with _exclusive(catalogue):
        if _current(catalogue) == HEAD:
            return
        _upgrade(catalogue)


def _current(catalogue: Catalogue) -> str | None:
    with catalogue.read() as connection:
        if not sa.inspect(connection).has_table(_VERSION_TABLE):
            return None
        row = connection.execute(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")).first()  # noqa: S608 (a constant)
        return None if row is None else str(row[0])


def _upgrade(catalogue: Catalogue) -> None:
    from alembic import command
    from alembic.config import Config

    log.info("bringing the catalogue %s to schema %s", catalogue.shown_url, HEAD)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with catalogue.write() as connection:
        config.attributes["connection"] = connection
        config.attributes["version_table"] = _VERSION_TABLE
        command.upgrade(config, HEAD)


@contextmanager
def _exclusive(catalogue: Catalogue) -> Iterator[None]:
    if catalogue.dialect == "sqlite":
        path = Path(str(catalogue.url.database) + ".migration-lock")
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with catalogue.engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK_ID)))
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK_ID)))
