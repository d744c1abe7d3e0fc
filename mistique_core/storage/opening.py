"""Which backend keeps a store's bytes: a question of its location only."""

from __future__ import annotations

from pathlib import Path

from mistique_core.config import OBJECT_SCHEME
from mistique_core.storage.backend import StorageBackend
from mistique_core.storage.local import LocalBackend

PARTITIONS = "partitions"
"""Folder of the files below a store's location; documents are beside it."""


def open_backend(location: str) -> StorageBackend:
    """Return the backend of a store; close it after use.

    Parameters
    ----------
    location
        As in :attr:`StoreConfig.location`: the path of a folder, or ``s3://bucket/prefix``.

    Raises
    ------
    InvalidInputError
        If the URL is malformed, obstore is not installed, or the server cannot keep the contract.
    StorageError
        If the folder cannot be created, or the server does not answer or refuses the credentials.
    """
    if location.startswith(OBJECT_SCHEME):
        from mistique_core.storage.object_store import ObjectBackend

        return ObjectBackend(location)
    folder = Path(location)
    return LocalBackend(folder / PARTITIONS, documents=folder)
