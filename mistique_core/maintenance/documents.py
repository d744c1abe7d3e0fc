"""The descriptions of column versions that a partition file carries, and who still needs them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.chunks import known_addresses
from mistique_core.catalogue.tables import column_version
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import read_columns
from mistique_core.storage import StorageBackend

log = logging.getLogger(__name__)

Document = dict[str, Any]


def stored_documents(backend: StorageBackend, name: str, size: int) -> list[Document]:
    """Return the descriptions in a file; none when it is missing or cannot be read.

    Parameters
    ----------
    backend
        Where it is.
    name, size
        Its name and length.
    """
    try:
        return [item for item in read_columns(backend.get_range(name, 0, size)) if is_column(item)]
    except CorruptPartitionError as error:
        log.warning("partition %s describes no columns that can be read: %s", name[:12], error)
        return []


def is_column(document: Document) -> bool:
    """Return whether a description is one of a column version."""
    return {"address", "logical_type", "rows", "block_rows", "chunks", "categories", "scheme"} <= document.keys()


def described(documents: Iterable[Document]) -> list[bytes]:
    """Return the addresses of the column versions that are described."""
    return [bytes.fromhex(item["address"]) for item in documents]


def known_versions(connection: sa.Connection, addresses: Iterable[bytes]) -> set[bytes]:
    """Return those addresses that belong to a column version of the catalogue."""
    return set(known_addresses(connection, column_version, addresses))
