"""Which folder and which catalogue belong together.

A catalogue points into the partitions of one folder, or of one prefix on object storage. Opened with
another one it would promise bytes that are not there, so both carry the same id from their first
opening on.
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.driver_statements import insert_ignore
from mistique_core.catalogue.tables import partition, setting
from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage import STORE_ID, StorageBackend

IDENTITY = "store_id"
"""Name of the setting that holds the id."""


def check_identity(catalogue: Catalogue, backend: StorageBackend, location: str) -> str:
    """Return the id that the bytes and the catalogue share, giving both one when they are new.

    A new catalogue may adopt existing bytes; a catalogue that points to partitions may not move
    to a place without its id.

    Parameters
    ----------
    catalogue, backend
        Both halves of a store.
    location
        Where the bytes are, for messages.

    Raises
    ------
    InvalidInputError
        If the catalogue belongs to another folder.
    StorageError
        If the id cannot be written beside the bytes.
    """
    beside_bytes = _read(backend)
    with catalogue.read() as connection:
        in_catalogue = connection.scalar(sa.select(setting.c.value).where(setting.c.name == IDENTITY))
    if beside_bytes is not None and beside_bytes == in_catalogue:
        return beside_bytes
    with catalogue.write() as connection:
        insert_ignore(connection, setting, [{"name": IDENTITY, "value": beside_bytes or uuid.uuid4().hex}])
        in_catalogue = str(
            connection.execute(sa.select(setting.c.value).where(setting.c.name == IDENTITY)).scalar_one()
        )
        is_used = connection.scalar(sa.select(partition.c.id).limit(1)) is not None
    if beside_bytes is None and not is_used:
        beside_bytes = _write(backend, in_catalogue, location)
    if beside_bytes != in_catalogue:
        raise InvalidInputError(
            f"the catalogue {catalogue.shown_url} belongs to another folder than {location}; "
            "open both as they were first opened, or give this folder a catalogue of its own"
        )
    return in_catalogue


def _read(backend: StorageBackend) -> str | None:
    text = backend.get_text(STORE_ID)
    return None if text is None else text.strip() or None


def _write(backend: StorageBackend, identity: str, location: str) -> str:
    """Write the id unless another process was first; return what is beside the bytes then."""
    backend.put_text_if_absent(STORE_ID, identity + "\n")
    found = _read(backend)
    if found is None:
        raise StorageError(
            f"the document {STORE_ID!r} in {location} is empty or cannot be read back; remove it and repeat"
        )
    return found
