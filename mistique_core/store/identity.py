"""Which folder and which catalogue belong together.

A catalogue points into the partitions of one folder. Opened with another folder it would promise
bytes that are not there, so both carry the same id from their first opening on.
"""

from __future__ import annotations

import os
import secrets
import uuid
from pathlib import Path

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue, insert_ignore
from mistique_core.catalogue.tables import partition, setting
from mistique_core.errors import InvalidInputError, StorageError

ID_FILE = "store-id"
_NAME = "store_id"


def check_identity(catalogue: Catalogue, location: Path) -> str:
    """Return the id that folder and catalogue share, giving both one when they are new.

    A new catalogue may adopt an existing folder; a catalogue that points to partitions may not move
    to a folder without its id.

    Raises
    ------
    InvalidInputError
        If the catalogue belongs to another folder.
    StorageError
        If the id cannot be written into the folder.
    """
    in_folder = _read(location)
    with catalogue.read() as connection:
        in_catalogue = connection.scalar(sa.select(setting.c.value).where(setting.c.name == _NAME))
    if in_folder is not None and in_folder == in_catalogue:
        return in_folder
    with catalogue.write() as connection:
        insert_ignore(connection, setting, [{"name": _NAME, "value": in_folder or uuid.uuid4().hex}])
        in_catalogue = str(connection.execute(sa.select(setting.c.value).where(setting.c.name == _NAME)).scalar_one())
        is_used = connection.scalar(sa.select(partition.c.id).limit(1)) is not None
    if in_folder is None and not is_used:
        in_folder = _write(location, in_catalogue)
    if in_folder != in_catalogue:
        raise InvalidInputError(
            f"the catalogue {catalogue.shown_url} belongs to another folder than {location}; "
            "open both as they were first opened, or give this folder a catalogue of its own"
        )
    return in_catalogue


def _read(location: Path) -> str | None:
    try:
        return (location / ID_FILE).read_text().strip() or None
    except FileNotFoundError:
        return None


def _write(location: Path, identity: str) -> str:
    """Write the id unless another process was first; return what the folder holds then."""
    temporary = location / f"{ID_FILE}.{secrets.token_hex(4)}"
    try:
        temporary.write_text(identity + "\n")
        try:
            os.link(temporary, location / ID_FILE)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return (location / ID_FILE).read_text().strip()
    except OSError as error:
        raise StorageError(
            f"cannot write {location / ID_FILE}: {error.strerror}; check the folder's permissions"
        ) from error
