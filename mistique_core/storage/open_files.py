"""Files that stay open for the next read, so that a ranged read costs one call of the system."""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections import OrderedDict

_TOO_MANY = (errno.EMFILE, errno.ENFILE)
MOST_BYTES = 1 << 30


class OpenFile:
    """A descriptor in use. Give it back with :meth:`OpenFiles.release`.

    Attributes
    ----------
    descriptor
        Open for reading.
    """

    __slots__ = ("_is_forgotten", "_users", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._users = 1
        self._is_forgotten = False


class OpenFiles:
    """The most recently read files, open for reading; safe to use from several threads.

    A descriptor is never closed while a thread reads from it. A file that another process removes
    stays readable for as long as it is remembered here.

    Parameters
    ----------
    limit
        Most files that stay open while nobody reads them, from 0.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._process = os.getpid()
        # Descriptors are plain numbers: without this a store that is dropped unclosed would leak them.
        self._closer = weakref.finalize(self, _close_all, self._files)

    def __len__(self) -> int:
        return len(self._files)

    def find(self, key: str) -> OpenFile | None:
        """Return the open file that is remembered under `key`, if there is one."""
        if self._process != os.getpid():
            # A forked child inherits a lock that a thread of its parent may hold for ever.
            self._closer()
            self._start()
        with self._lock:
            file = self._files.get(key)
            if file is not None:
                file._users += 1
                self._files.move_to_end(key)
            return file

    def acquire(self, key: str, path: str) -> OpenFile:
        """Return the open file that is remembered under `key`, opening `path` when it is not.

        Raises
        ------
        OSError
            If `path` cannot be opened.
        """
        file = self.find(key)
        if file is not None:
            return file
        opened = OpenFile(self._open(path))
        with self._lock:
            file = self._files.setdefault(key, opened)
            if file is not opened:
                file._users += 1
                os.close(opened.descriptor)
            self._shrink(self._limit)
        return file

    def release(self, file: OpenFile) -> None:
        """Say that a file which :meth:`find` or :meth:`acquire` returned is no longer read from."""
        with self._lock:
            file._users -= 1
            if file._is_forgotten and not file._users:
                os.close(file.descriptor)

    def forget(self, key: str) -> None:
        """Close a file once nobody reads from it; the next :meth:`acquire` opens its path again."""
        with self._lock:
            file = self._files.pop(key, None)
            if file is not None:
                self._drop(file)

    def close(self) -> None:
        """Close everything, and keep nothing open from now on; may be repeated."""
        with self._lock:
            self._limit = 0
            self._shrink(0)

    def _open(self, path: str) -> int:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as error:
            if error.errno not in _TOO_MANY:
                raise
        with self._lock:
            self._shrink(0)
        return os.open(path, os.O_RDONLY)

    def _shrink(self, limit: int) -> None:
        while len(self._files) > limit:
            self._drop(self._files.popitem(last=False)[1])

    def _drop(self, file: OpenFile) -> None:
        file._is_forgotten = True
        if not file._users:
            os.close(file.descriptor)


def _close_all(files: OrderedDict[str, OpenFile]) -> None:
    while files:
        os.close(files.popitem()[1].descriptor)


def read_exactly(descriptor: int, offset: int, size: int) -> bytes:
    """Return the bytes ``[offset, offset + size)`` of an open file, or fewer where it ends earlier.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    data = os.pread(descriptor, min(size, MOST_BYTES), offset)
    if len(data) == size or not data:
        return data
    parts = [data]
    missing = size - len(data)
    while missing:
        part = os.pread(descriptor, min(missing, MOST_BYTES), offset + size - missing)
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
