"""The catalogue that the pages read, opened once in a process."""

from __future__ import annotations

import threading
from dataclasses import fields
from typing import TYPE_CHECKING

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue, ensure_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from mistique_core.config import StoreConfig

BUSY_SECONDS = 5.0
MOST_CACHE_BYTES = 32 * 1024 * 1024
"""Of chunks, in each process of the web server."""


class StoreConnection:
    """The store that some settings name, by default those of Airflow's connection ``mistique_default``.

    A failure is not remembered: the next request tries again.

    Parameters
    ----------
    settings
        Gives the settings; called once.
    """

    def __init__(self, settings: Callable[[], StoreConfig] | None = None) -> None:
        self._lock = threading.Lock()
        self._find_settings = _airflow_settings if settings is None else settings
        self._config: StoreConfig | None = None
        self._catalogue: Catalogue | None = None
        self._store: Mistique | None = None

    def catalogue(self) -> Catalogue:
        """Return the catalogue, creating its schema when it is new.

        Raises
        ------
        CatalogueUnavailableError
            If it cannot be reached.
        InvalidInputError
            If the connection is wrong.
        """
        with self._lock:
            if self._catalogue is None:
                catalogue = Catalogue(self._settings().catalogue_url, BUSY_SECONDS)
                ensure_schema(catalogue)
                self._catalogue = catalogue
            return self._catalogue

    def store(self) -> Mistique:
        """Return the opened store, to read values from.

        Raises
        ------
        CatalogueUnavailableError, StorageError
            If it cannot be reached.
        InvalidInputError
            If the connection is wrong.
        """
        with self._lock:
            if self._store is None:
                found = self._settings()
                given = {
                    field.name: getattr(found, field.name)
                    for field in fields(found)
                    if field.name not in ("location", "catalogue_url")
                }
                given["cache_bytes"] = min(found.cache_bytes, MOST_CACHE_BYTES)
                self._store = Mistique.open(found.location, found.catalogue_url, **given)
            return self._store

    def location(self) -> str:
        """Return the folder, or the URL, that holds the partitions."""
        with self._lock:
            return self._settings().location

    def _settings(self) -> StoreConfig:
        if self._config is None:
            self._config = self._find_settings()
        return self._config


def _airflow_settings() -> StoreConfig:
    from operators.connection import store_config

    return store_config()
