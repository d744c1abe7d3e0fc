"""The contract of a storage backend: a few calls over immutable, content-named files.

A *file* is a partition: its name is derived from its bytes, so two files of one name are equal and
nothing is ever changed in place. A *document* is a short text with one of a few fixed names, such as
the store's id. Both are created once and never overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from mistique_core.errors import InvalidInputError

STORE_ID = "store-id"
"""The document that ties the files to their catalogue."""
DOCUMENTS = frozenset({STORE_ID})
"""Every name that a document may have."""

_NAME = re.compile(r"[0-9a-f]{64}\.h5")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One complete file.

    Attributes
    ----------
    name
        64 hex digits and ``.h5``.
    bytes
        Its length.
    modified_at
        When it was written, in Unix seconds by the clock of whoever keeps it.
    """

    name: str
    bytes: int
    modified_at: float

    def moved(self, seconds: float) -> StoredFile:
        """Return the same file with its time by another clock, which shows so many seconds more."""
        return StoredFile(self.name, self.bytes, self.modified_at + seconds) if seconds else self


class Leftover(NamedTuple):
    """What a killed writer left behind.

    Attributes
    ----------
    description
        Where it is, for a person to read.
    bytes
        What removing it frees.
    """

    description: str
    bytes: int


def is_file_name(name: str) -> bool:
    """Return whether `name` is 64 hex digits and ``.h5``."""
    return _NAME.fullmatch(name) is not None


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


def check_document_name(name: str) -> str:
    """Return `name` if it is one of :data:`DOCUMENTS`; raises :class:`InvalidInputError` otherwise."""
    if name not in DOCUMENTS:
        raise InvalidInputError(f"{name!r} is not the name of a document; expected one of {sorted(DOCUMENTS)}")
    return name


def check_range(offset: int, size: int) -> None:
    """Refuse a range that starts before the file or has a negative size.

    Raises
    ------
    InvalidInputError
        If `offset` or `size` is negative.
    """
    if offset < 0 or size < 0:
        raise InvalidInputError(f"offset={offset!r}, size={size!r} is not a range; give numbers from 0")


@runtime_checkable
class StorageBackend(Protocol):
    """Keeps immutable files and a few documents. Every call may be repeated, from any thread.

    What a backend promises, to threads, processes and hosts alike:

    - **Whole or absent.** A file or document is visible only with all of its bytes.
    - **Durable.** When a put returns, True or False, the bytes survive a crash of any process and the
      loss of power. A put that raises may have stored the whole file or nothing; repeat it.
    - **First put wins.** Of puts of one name at once, exactly one returns True, and none changes what is there.
    - **Read your writes.** What a put has stored is found by every later read and listing.
    - **Listings** yield each file at most once, in no particular order. A file that is there from before
      the listing begins until after it ends is yielded; one that is put or deleted meanwhile may be.
    - **Deletes.** After `delete` returns, new readers do not find the file. A reader that already had it
      open may still read it, which can only give the right bytes.

    Every call raises :class:`StorageError` when the place itself fails, and :class:`InvalidInputError`
    for a name that is not one of its kind.
    """

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Store `data` durably under `name`.

        Returns
        -------
        bool
            False when a file of that name was already there; it is left alone, its time included.

        Raises
        ------
        StorageError
            If the bytes could not be made durable.
        """

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return the bytes ``[offset, offset + size)``; an empty range is ``b""`` without looking.

        Raises
        ------
        CorruptPartitionError
            If the file is missing or too short.
        """

    def get_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return several ranges of one file, in the order given; like :meth:`get_range` for each.

        Parameters
        ----------
        name
            The file.
        ranges
            Pairs of (offset, size) in bytes; they may overlap and come in any order. A backend may read
            the bytes between two ranges and drop them, and may read several at once.
        """

    def size(self, name: str) -> int:
        """Return the file's length in bytes, or raise :class:`CorruptPartitionError` if it is missing."""

    def names(self) -> Iterator[str]:
        """Yield the name of every complete file."""

    def files(self) -> Iterator[StoredFile]:
        """Yield every complete file with its length and time; entries that are no partition are skipped."""

    def delete(self, name: str) -> None:
        """Remove a file; one that is already gone is not an error."""

    def put_text_if_absent(self, name: str, text: str) -> bool:
        """Store a document durably; like :meth:`put_if_absent`, with a name of :data:`DOCUMENTS`."""

    def get_text(self, name: str) -> str | None:
        """Return a document, or ``None`` when there is none of that name."""

    def leftovers(self, older_than_seconds: float, *, remove: bool) -> list[Leftover]:
        """List what killed writers left, and remove it when told so.

        Parameters
        ----------
        older_than_seconds
            Only what was last written at least so long ago (inclusive). Must exceed the longest write:
            a write whose unfinished bytes are removed fails with :class:`StorageError`.
        remove
            Whether to remove what is listed.
        """

    def clock_seconds(self) -> float:
        """Return Unix seconds now, to about one, by the clock that stamps files; writes and removes a probe.

        Raises
        ------
        StorageError
            If nothing can be written here.
        """

    def close(self) -> None:
        """Release what reads keep open; may be repeated. Later calls work, and keep nothing open."""
