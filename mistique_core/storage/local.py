"""A local folder as storage backend: temp file, fsync, rename, fsync the folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mistique_core.errors import CorruptPartitionError, StorageError
from mistique_core.storage.backend import check_file_name

_TEMPORARY = ".tmp"


class LocalBackend:
    """Files below one folder, spread over 256 sub-folders by the first two hex digits.

    Parameters
    ----------
    folder
        Created when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot create the folder {folder}: {error.strerror}; choose another location"
            ) from error

    def _path(self, name: str) -> Path:
        return self.folder / check_file_name(name)[:2] / name

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """See :meth:`StorageBackend.put_if_absent`."""
        path = self._path(name)
        if path.exists():
            return False
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
        try:
            path.parent.mkdir(exist_ok=True)
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
            _fsync_folder(path.parent)
            _fsync_folder(self.folder)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise StorageError(f"cannot write {len(data)} bytes to {path.parent}: {error.strerror}") from error
        return True

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """See :meth:`StorageBackend.get_range`."""
        path = self._path(name)
        try:
            with path.open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), size, offset)
        except FileNotFoundError as error:
            raise CorruptPartitionError(f"partition {path} is missing; restore it from a backup") from error
        except OSError as error:
            raise StorageError(f"cannot read partition {path}: {error.strerror}") from error
        if len(data) != size:
            raise CorruptPartitionError(f"partition {path} ends before byte {offset + size}; run 'mistique check'")
        return data

    def size(self, name: str) -> int:
        """See :meth:`StorageBackend.size`."""
        path = self._path(name)
        try:
            return path.stat().st_size
        except FileNotFoundError as error:
            raise CorruptPartitionError(f"partition {path} is missing; restore it from a backup") from error

    def names(self) -> Iterator[str]:
        """See :meth:`StorageBackend.names`."""
        for path in sorted(self.folder.glob("??/*.h5")):
            yield path.name

    def delete(self, name: str) -> None:
        """See :meth:`StorageBackend.delete`."""
        self._path(name).unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
