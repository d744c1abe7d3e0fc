"""The catalogue that the pages read, opened once in a process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mistique_core.catalogue import Catalogue, ensure_schema

if TYPE_CHECKING:
    from mistique_core.config import StoreConfig

BUSY_SECONDS = 5.0


class StoreConnection:
    """The store that Airflow's connection ``mistique_default`` names.

    A failure is not remembered: the next request tries again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._config: StoreConfig | None = None
        self._catalogue: Catalogue | None = None

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

    def location(self) -> str:
        """Return the folder, or the URL, that holds the partitions."""
        with self._lock:
            return self._settings().location

    def _settings(self) -> StoreConfig:
        if self._config is None:
            from operators.connection import store_config

            self._config = store_config()
        return self._config
