"""Where the store of an Airflow connection lives, in any of Airflow's processes.

A connection of type ``mistique`` names the folder as its host; its extra may name a catalogue URL
and any setting of :class:`mistique_core.config.StoreConfig`. Without a connection the store is
``$MISTIQUE_HOME``, else ``$AIRFLOW_HOME/mistique``.
"""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mistique_core.config import CATALOGUE_VARIABLE, HOME_VARIABLE, StoreConfig
from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean

if TYPE_CHECKING:
    from airflow.sdk import Connection

DEFAULT_CONNECTION = "mistique_default"


def store_config(conn_id: str = DEFAULT_CONNECTION, *, allow_database: bool = True) -> StoreConfig:
    """Return the settings of a connection's store.

    Parameters
    ----------
    conn_id
        Id of the connection.
    allow_database
        False inside the scheduler's listener, which must not open Airflow's own session: only the
        environment is looked at.

    Raises
    ------
    InvalidInputError
        If the connection holds an unknown setting.
    NotFoundError
        If a connection other than the default one does not exist.
    """
    connection = _from_airflow(conn_id) if allow_database else _from_environment(conn_id)
    if connection is None:
        return StoreConfig.resolve(default_location(), os.environ.get(CATALOGUE_VARIABLE))
    extra = dict(connection.extra_dejson)
    catalogue = extra.pop("catalogue_url", None)
    known = {field.name for field in fields(StoreConfig)} - {"location", "catalogue_url"}
    for name in extra:
        if name not in known:
            raise InvalidInputError(
                f"connection {conn_id!r} has an unknown setting {name!r} in its extra; {did_you_mean(name, known)}"
            )
    settings = {name: _number(value) for name, value in extra.items() if value not in (None, "")}
    return StoreConfig.resolve(_location_of(connection), catalogue or None, **settings)


def is_configured_by_environment(conn_id: str = DEFAULT_CONNECTION) -> bool:
    """Return whether the environment alone says where the store is."""
    return bool(os.environ.get(_variable(conn_id)) or os.environ.get(HOME_VARIABLE))


def default_location() -> str:
    """Return the folder of the store when no connection names one."""
    configured = os.environ.get(HOME_VARIABLE)
    if configured:
        return configured
    from airflow.configuration import AIRFLOW_HOME

    return os.path.join(AIRFLOW_HOME, "mistique")  # noqa: PTH118


def _number(value: Any) -> Any:
    """A connection given as a URI has only strings in its extra; every setting is a number."""
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        return float(value) if value.replace(".", "", 1).isdigit() else value


def _variable(conn_id: str) -> str:
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def _location_of(connection: Connection) -> str:
    """The host of ``mistique:///var/lib/store`` parses as an empty host with a path as schema."""
    if connection.host:
        return str(connection.host)
    if connection.schema:
        return f"/{connection.schema}"
    return default_location()


def _from_airflow(conn_id: str) -> Connection | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowException as error:
        if conn_id == DEFAULT_CONNECTION:
            return None
        raise NotFoundError(
            f"connection {conn_id!r} cannot be found ({error}); add it, or leave mistique_conn_id out"
        ) from error


def _from_environment(conn_id: str) -> Connection | None:
    value = os.environ.get(_variable(conn_id))
    if not value:
        return None
    from airflow.sdk import Connection

    if value.lstrip().startswith("{"):
        return Connection.from_json(value, conn_id=conn_id)
    return Connection.from_uri(value, conn_id=conn_id)


def catalogue_url(conn_id: str = DEFAULT_CONNECTION, *, allow_database: bool = True) -> str:
    """Return the SQLAlchemy URL of a connection's catalogue; see :func:`store_config`."""
    return store_config(conn_id, allow_database=allow_database).catalogue_url
