"""Which files are to be deleted: a pure function of listings and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mistique_core.storage import StoredFile


@dataclass(frozen=True)
class Tombstone:
    """A partition whose row has been removed.

    Attributes
    ----------
    bytes
        Length of its file.
    deleted_at
        Unix seconds.
    """

    bytes: int
    deleted_at: float


@dataclass(frozen=True)
class FileVerdict:
    """What is to happen to files that no row of the catalogue refers to. Each tuple is sorted by name.

    Attributes
    ----------
    expired
        Files whose row was removed before the grace period: to be deleted.
    orphans
        Files that never had a row and were written before the grace period: to be deleted.
    waiting
        Files whose grace period is not over, of both kinds.
    missing
        Names of removed partitions whose file is already gone.
    """

    expired: tuple[StoredFile, ...]
    orphans: tuple[StoredFile, ...]
    waiting: tuple[StoredFile, ...]
    missing: tuple[str, ...]


def judge_files(
    files: Iterable[StoredFile],
    registered: Iterable[str],
    tombstones: Mapping[str, Tombstone],
    *,
    now: float,
    grace_seconds: float,
) -> FileVerdict:
    """Decide which files to delete.

    Parameters
    ----------
    files
        All files of the store.
    registered
        Names of partitions that have a row.
    tombstones
        Name -> removed partition.
    now, grace_seconds
        Unix seconds, and how long a file stays after its row was removed, or after it was written
        when it has none (inclusive).
    """
    kept = set(registered)
    expired, orphans, waiting = [], [], []
    present = set()
    for file in sorted(files, key=lambda file: file.name):
        present.add(file.name)
        if file.name in kept:
            continue
        tombstone = tombstones.get(file.name)
        since = file.modified_at if tombstone is None else tombstone.deleted_at
        if now - since < grace_seconds:
            waiting.append(file)
        elif tombstone is None:
            orphans.append(file)
        else:
            expired.append(file)
    missing = sorted(set(tombstones) - present - kept)
    return FileVerdict(tuple(expired), tuple(orphans), tuple(waiting), tuple(missing))
