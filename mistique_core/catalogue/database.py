"""The catalogue's connection: SQLite in WAL mode by default, PostgreSQL for several hosts."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from mistique_core.errors import CatalogueError, CatalogueUnavailableError, ConflictError, InvalidInputError

log = logging.getLogger(__name__)

_IMMEDIATE = "mistique_immediate"
_CONFLICTS = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock
_SECRET_OPTIONS = ("password", "sslpassword")
"""Of the server's client library, which takes them behind the question mark of a URL."""
_WAL_STEP_SECONDS = 0.01
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Catalogue:
    """One SQL database, opened lazily and safe to use from several threads.

    Parameters
    ----------
    url
        SQLAlchemy URL. ``postgresql://`` uses psycopg 3.
    busy_seconds
        Seconds to wait for another writer, or for the server to answer.
    """

    def __init__(self, url: str, busy_seconds: float = 30.0) -> None:
        parsed, secrets = _parse(url)
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        self.url = parsed
        """Without what its query part held of secrets; its password is not shown."""
        self.dialect = parsed.get_backend_name()
        if self.dialect not in ("sqlite", "postgresql"):
            raise InvalidInputError(f"catalogue database {self.dialect!r} is not supported; use sqlite or postgresql")
        self.engine = (
            _sqlite_engine(parsed, busy_seconds)
            if self.dialect == "sqlite"
            else _pg_engine(parsed, busy_seconds, secrets)
        )

    @property
    def shown_url(self) -> str:
        """URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one snapshot and never waits for writers (SQLite)."""
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Yield a connection inside one transaction: all of it is committed, or nothing.

        On SQLite the write lock is taken at once, so that a transaction never fails half-way
        because another writer was first.
        """
        with self._translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**{_IMMEDIATE: True})
            with connection.begin():
                yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) in _CONFLICTS:
                raise ConflictError(f"the catalogue {self.shown_url} is busy: {_cause(error)}; repeat it") from error
            raise self._unavailable(error) from error
        except DBAPIError as error:
            damaged = type(error.orig) is sqlite3.DatabaseError  # not a database file, or a malformed one
            if error.connection_invalidated or damaged:
                raise self._unavailable(error) from error
            raise CatalogueError(f"the catalogue {self.shown_url} refused a statement: {_cause(error)}") from error

    def _unavailable(self, error: DBAPIError) -> CatalogueUnavailableError:
        return CatalogueUnavailableError(
            f"the catalogue {self.shown_url} cannot be used: {_cause(error)}; check that it is reachable and writable"
        )

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _parse(url: str) -> tuple[sa.URL, dict[str, Any]]:
    """Return a URL that can be shown without its password, and what else of it is secret.

    Raises
    ------
    InvalidInputError
        If it is no URL. The message repeats nothing, and has no cause that does: where a URL is malformed, any part of
        it may be one of the password.
    """
    try:
        parsed = sa.make_url(url)
    except (SQLAlchemyError, ValueError):
        parsed = None
    if parsed is None or "@" in (parsed.host or ""):
        raise InvalidInputError(
            "the catalogue URL is not an SQLAlchemy URL; write sqlite:///path or postgresql://..., and in a password "
            "%40 for @ and %2F for /"
        ) from None
    secrets = {name: parsed.query[name] for name in _SECRET_OPTIONS if name in parsed.query}
    return parsed.difference_update_query(secrets), secrets


def _cause(error: DBAPIError) -> str:
    """Return the first line of what the driver said."""
    text = str(error.orig).strip()
    return text.splitlines()[0] if text else type(error.orig).__name__


def upsert(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert one row, or update `values` of the row with that unique `key`."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def _to_json(value: Any) -> str:
    """Return what ``json.dumps`` does, which takes ten times as long for the shapes of chunks."""
    if type(value) is list and all(type(item) is int for item in value):
        return str(value)
    return json.dumps(value)


def _change_to_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Let readers never wait for a writer.

    SQLite refuses at once, whatever its time-out, while another process does the same with a new database.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_WAL_STEP_SECONDS)


def _sqlite_engine(url: sa.URL, busy_seconds: float) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise InvalidInputError("an in-memory catalogue would be lost at once; give sqlite:///path/to/file")
    folder = Path(url.database).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogueUnavailableError(
            f"cannot create the folder {folder}: {error.strerror}; choose another location"
        ) from error
    engine = sa.create_engine(url, json_serializer=_to_json, connect_args={"timeout": busy_seconds})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        _change_to_wal(connection, busy_seconds)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get(_IMMEDIATE):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # takes no lock, so that nothing can refuse it
            connection.connection.driver_connection.execute("BEGIN").close()  # type: ignore[union-attr]

    return engine


def _pg_engine(url: sa.URL, busy_seconds: float, secrets: Mapping[str, Any]) -> sa.Engine:
    options = {
        **secrets,
        "connect_timeout": max(2, int(min(busy_seconds, 10))),
        "tcp_user_timeout": int(busy_seconds * 1000),
        "options": f"-c lock_timeout={int(busy_seconds * 1000)}",
    }
    try:
        return sa.create_engine(url, json_serializer=_to_json, pool_pre_ping=True, connect_args=options)
    except ModuleNotFoundError as error:
        raise InvalidInputError("a PostgreSQL catalogue needs psycopg; install 'mistique-airflow[postgres]'") from error
