"""The contract of a storage backend: four calls over immutable, content-named files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from mistique_core.errors import InvalidInputError

_NAME = re.compile(r"[0-9a-f]{64}\.h5")


def check_file_name(name: str) -> str:
    """Return `name` if it is a content-derived file name, so that no caller can form a path.

    Raises
    ------
    InvalidInputError
        If it is anything but 64 hex digits and ``.h5``.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"{name!r} is not the name of a partition; expected 64 hex digits and '.h5'")
    return name


@runtime_checkable
class StorageBackend(Protocol):
    """Keeps immutable files. Every call may be repeated safely."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Store `data` durably under `name`.

        Returns
        -------
        bool
            False when a file of that name was already there, which is then left alone.

        Raises
        ------
        StorageError
            If the bytes could not be made durable; nothing is then visible under `name`.
        """

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return the bytes ``[offset, offset + size)``.

        Raises
        ------
        CorruptPartitionError
            If the file is missing or too short.
        """

    def size(self, name: str) -> int:
        """Return the file's length in bytes, or raise :class:`CorruptPartitionError` if it is missing."""

    def names(self) -> Iterator[str]:
        """Yield the name of every complete file."""

    def delete(self, name: str) -> None:
        """Remove a file; one that is already gone is not an error."""
