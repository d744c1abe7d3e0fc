"""Create a file whole, durably and only once: temp file, fsync, link, fsync the folder."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

TEMPORARY = ".tmp"
"""How the names of unfinished files end."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_MOST_BYTES = 1 << 30


def create_once(path: Path, data: bytes) -> bool:
    """Create `path` with `data` unless it exists.

    The bytes are on disk before the name appears; the name is on disk only after
    :func:`sync_folder` on its folder. Nothing unfinished is left behind, also by an interrupt.

    Returns
    -------
    bool
        False when `path` existed. Of several callers at once exactly one gets True; on a file system
        without hard links several may, each having put a whole file in place.

    Raises
    ------
    OSError
        If the bytes cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    # Twice, because an interrupt may arrive in the first clean-up.
    try:
        try:
            _write(temporary, data)
            return _name_once(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest[:_MOST_BYTES]) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name_once(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        temporary.rename(path)
    return True
