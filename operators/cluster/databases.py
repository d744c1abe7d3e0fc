"""The two databases of a cluster: Airflow's and the catalogue's, each with a role of its own."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mistique_core.errors import InvalidInputError
from operators.demo.airflow_settings import HOST

if TYPE_CHECKING:
    import psycopg

USUAL_PORT = 5432
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server and who may create databases in it.

    Attributes
    ----------
    port
        Its port on this machine.
    user, password
        Login of a superuser; no password where the server trusts.
    """

    port: int
    user: str
    password: str | None = None

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection that commits each statement.

        Raises
        ------
        psycopg.OperationalError
            If the server does not answer or refuses.
        """
        import psycopg

        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname="postgres",
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        )


@dataclass(frozen=True)
class Databases:
    """Addresses of the two databases.

    Attributes
    ----------
    server
        Where they are.
    airflow, catalogue
        Name of each database, which is its role's, too.
    airflow_password, catalogue_password
        Password of each role.
    """

    server: Server
    airflow: str
    catalogue: str
    airflow_password: str
    catalogue_password: str

    def airflow_url(self) -> str:
        """Return the URL of Airflow's database."""
        return self._url("psycopg2", self.airflow, self.airflow_password)

    def catalogue_url(self) -> str:
        """Return the URL of the catalogue."""
        return self._url("psycopg", self.catalogue, self.catalogue_password)

    def _url(self, driver: str, name: str, password: str) -> str:
        return f"postgresql+{driver}://{name}:{password}@{HOST}:{self.server.port}/{name}"

    def create(self) -> None:
        """Create what is missing; an existing role gets the password that the cluster knows."""
        from psycopg import sql

        with self.server.connect() as connection:
            for name, password in (
                (self.airflow, self.airflow_password),
                (self.catalogue, self.catalogue_password),
            ):
                role = sql.Identifier(name)
                verb = "ALTER" if _exists(connection, "pg_roles", "rolname", name) else "CREATE"
                connection.execute(
                    sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(sql.SQL(verb), role, sql.Literal(password))
                )
                if not _exists(connection, "pg_database", "datname", name):
                    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))

    def drop(self) -> None:
        """Drop both databases and roles where they exist."""
        from psycopg import sql

        with self.server.connect() as connection:
            for name in (self.airflow, self.catalogue):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _exists(connection: psycopg.Connection[tuple[object, ...]], table: str, column: str, name: str) -> bool:
    from psycopg import sql

    statement = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(column))
    return connection.execute(statement, (name,)).fetchone() is not None


def usual_server() -> Server | None:
    """Return the server at PostgreSQL's usual port, if one lets this user create roles and databases.

    Raises
    ------
    InvalidInputError
        If psycopg is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise InvalidInputError("the cluster needs psycopg; install 'mistique-airflow[postgres]'") from error
    for user in dict.fromkeys(("postgres", getpass.getuser())):
        server = Server(USUAL_PORT, user)
        try:
            with server.connect() as connection:
                row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        except psycopg.OperationalError:
            continue
        if row is not None and row[0]:
            return server
    return None
