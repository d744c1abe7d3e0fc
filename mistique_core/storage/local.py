"""A local folder as storage backend: temp file, fsync, link, fsync the folder."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mistique_core.errors import CorruptPartitionError, StorageError
from mistique_core.storage.backend import (
    DOCUMENTS,
    STORE_ID,
    Leftover,
    StoredFile,
    check_document_name,
    check_file_name,
    check_range,
    is_file_name,
)
from mistique_core.storage.durable_file import TEMPORARY, create_once, sync_folder
from mistique_core.storage.open_files import MOST_BYTES, OpenFiles, read_exactly

OPEN_FILES = 64
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LocalBackend:
    """Files below one folder, spread over 256 sub-folders by the first two hex digits.

    Parameters
    ----------
    folder
        Created when missing.
    documents
        Folder of the documents; default `folder` itself.
    open_files
        Most files that stay open between reads. A file that another process removes stays readable
        here while it is open; should its name come again, the bytes are the same by construction.
    """

    def __init__(self, folder: Path, *, documents: Path | None = None, open_files: int = OPEN_FILES) -> None:
        self.folder = folder
        self.documents = documents if documents is not None else folder
        self._prefix = os.fspath(folder)
        self._open_files = OpenFiles(open_files)
        self._synced: set[str] = set()
        try:
            _make_folder(folder)
            _make_folder(self.documents)
        except OSError as error:
            raise StorageError(
                f"cannot create the folder {folder}: {error.strerror}; choose another location"
            ) from error

    def __repr__(self) -> str:
        return f"LocalBackend({self._prefix!r})"

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """See :meth:`StorageBackend.put_if_absent`."""
        path = Path(self._path(name))
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True)
                self._synced.discard(path.parent.name)
            created = _create(path, data)
            if path.parent.name not in self._synced:
                sync_folder(self.folder)
                self._synced.add(path.parent.name)
        except OSError as error:
            raise _write_error(error, len(data), path.parent) from error
        return created

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """See :meth:`StorageBackend.get_range`."""
        if size > 0 <= offset:
            file = self._open_files.find(name)
            if file is not None:
                try:
                    data = os.pread(file.descriptor, size, offset)
                except OSError:
                    data = b""  # read again below, where errors are told apart
                finally:
                    self._open_files.release(file)
                if len(data) == size:
                    return data
        return self.get_ranges(name, ((offset, size),))[0]

    def get_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See :meth:`StorageBackend.get_ranges`."""
        path = self._path(name)
        for offset, size in ranges:
            check_range(offset, size)
        if not any(size for _, size in ranges):
            return [b""] * len(ranges)
        try:
            parts = self._read(name, path, ranges)
            if _first_short(parts, ranges) is not None:
                # The open file may be one that was since replaced by a whole one.
                self._open_files.forget(name)
                parts = self._read(name, path, ranges)
        except FileNotFoundError as error:
            raise CorruptPartitionError(f"partition {path} is missing; restore it from a backup") from error
        except OSError as error:
            raise StorageError(f"cannot read partition {path}: {error.strerror}; check the disk") from error
        end = _first_short(parts, ranges)
        if end is not None:
            raise CorruptPartitionError(f"partition {path} ends before byte {end}; run 'mistique check'")
        return parts

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Yield a descriptor of a file, open for reading, which is not to be closed; may raise OSError.

        What is read from it may be shorter than asked for, or of a file that was replaced since: whoever finds that
        asks :meth:`get_ranges`.
        """
        file = self._open_files.acquire(name, self._path(name))
        try:
            yield file.descriptor
        finally:
            self._open_files.release(file)

    def size(self, name: str) -> int:
        """See :meth:`StorageBackend.size`."""
        path = self._path(name)
        try:
            return Path(path).stat().st_size
        except FileNotFoundError as error:
            raise CorruptPartitionError(f"partition {path} is missing; restore it from a backup") from error
        except OSError as error:
            raise StorageError(f"cannot look at partition {path}: {error.strerror}; check the disk") from error

    def names(self) -> Iterator[str]:
        """See :meth:`StorageBackend.names`."""
        for entry in self._entries():
            if _is_partition(entry):
                yield entry.name

    def files(self) -> Iterator[StoredFile]:
        """See :meth:`StorageBackend.files`."""
        for entry in self._entries():
            if _is_partition(entry):
                status = _status(entry)
                if status is not None:
                    yield StoredFile(entry.name, status.st_size, status.st_mtime)

    def delete(self, name: str) -> None:
        """See :meth:`StorageBackend.delete`."""
        path = self._path(name)
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot delete {path}: {error.strerror}; check the folder's permissions") from error
        finally:
            self._open_files.forget(name)

    def put_text_if_absent(self, name: str, text: str) -> bool:
        """See :meth:`StorageBackend.put_text_if_absent`."""
        path = self.documents / check_document_name(name)
        data = text.encode()
        try:
            return _create(path, data)
        except OSError as error:
            raise _write_error(error, len(data), path.parent) from error

    def get_text(self, name: str) -> str | None:
        """See :meth:`StorageBackend.get_text`."""
        path = self.documents / check_document_name(name)
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}; check the folder's permissions") from error

    def leftovers(self, older_than_seconds: float, *, remove: bool) -> list[Leftover]:
        """See :meth:`StorageBackend.leftovers`; here unfinished files, whose names end in ``.tmp``."""
        newest = (self.clock_seconds() if remove else time.time()) - older_than_seconds
        found = []
        for entry in self._unfinished():
            status = _status(entry)
            if status is None or status.st_mtime > newest:
                continue
            # A writer killed between naming its file and clean-up leaves a second name of the same bytes.
            found.append(Leftover(entry.path, status.st_size if status.st_nlink == 1 else 0))
            if remove:
                try:
                    Path(entry.path).unlink(missing_ok=True)
                except OSError as error:
                    raise StorageError(
                        f"cannot delete {entry.path}: {error.strerror}; check the folder's permissions"
                    ) from error
        return found

    def clock_seconds(self) -> float:
        """See :meth:`StorageBackend.clock_seconds`."""
        probe = self.documents / f"{STORE_ID}.{secrets.token_hex(8)}{TEMPORARY}"
        try:
            try:
                descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                try:
                    return os.fstat(descriptor).st_mtime
                finally:
                    os.close(descriptor)
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise _write_error(error, 0, self.documents) from error

    def close(self) -> None:
        """See :meth:`StorageBackend.close`."""
        self._open_files.close()

    def _path(self, name: str) -> str:
        check_file_name(name)
        return f"{self._prefix}/{name[:2]}/{name}"

    def _read(self, name: str, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        file = self._open_files.acquire(name, path)
        try:
            descriptor, pread = file.descriptor, os.pread
            parts = [pread(descriptor, min(size, MOST_BYTES), offset) for offset, size in ranges]
            for number in _short(parts, ranges):
                parts[number] = read_exactly(descriptor, *ranges[number])
            return parts
        finally:
            self._open_files.release(file)

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        """Everything in the sub-folders, in order of its name."""
        for folder in _scan(self._prefix):
            if len(folder.name) == 2 and folder.is_dir():
                yield from _scan(folder.path, missing_ok=True)

    def _unfinished(self) -> Iterator[os.DirEntry[str]]:
        for entry in self._entries():
            if entry.name.endswith(TEMPORARY) and is_file_name(entry.name.split(".h5.")[0] + ".h5"):
                yield entry
        for entry in _scan(os.fspath(self.documents)):
            if entry.name.endswith(TEMPORARY) and entry.name.split(".")[0] in DOCUMENTS:
                yield entry


def _create(path: Path, data: bytes) -> bool:
    """Create a file whose folder exists; when this returns the file is durable, whoever wrote it."""
    created = not path.exists() and create_once(path, data)
    sync_folder(path.parent)
    return created


def _make_folder(folder: Path) -> None:
    """Create a folder and those above it, each durably."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def _scan(folder: str, *, missing_ok: bool = False) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError as error:
        if missing_ok:
            return []
        raise StorageError(f"cannot list {folder}: it is gone; restore it from a backup") from error
    except OSError as error:
        raise StorageError(f"cannot list {folder}: {error.strerror}; check the folder's permissions") from error


def _is_partition(entry: os.DirEntry[str]) -> bool:
    return is_file_name(entry.name) and entry.path.endswith(f"{entry.name[:2]}/{entry.name}")


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return ``None`` for a file that went away since it was listed."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot look at {entry.path}: {error.strerror}; check the disk") from error


def _first_short(parts: Sequence[bytes], ranges: Sequence[tuple[int, int]]) -> int | None:
    """Return the end of the first range that came back too short."""
    short = _short(parts, ranges)
    return sum(ranges[short[0]]) if short else None


def _short(parts: Sequence[bytes], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return which ranges came back too short."""
    sizes = [size for _, size in ranges]
    found = list(map(len, parts))
    return [] if found == sizes else [number for number, size in enumerate(sizes) if found[number] != size]


def _write_error(error: OSError, size: int, folder: Path) -> StorageError:
    message = f"cannot write {size} bytes to {folder}: {error.strerror}"
    if error.errno not in _NO_SPACE:
        return StorageError(f"{message}; check the folder's permissions and its disk")
    try:
        status = os.statvfs(folder)
    except OSError:
        return StorageError(f"{message}; make room and repeat")
    return StorageError(f"{message}; {status.f_bavail * status.f_frsize} bytes are free there, make room and repeat")
