"""Reading partition files for what a catalogue has lost: chunks, proved by their addresses, and descriptions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from mistique_core.catalogue.chunks import NewColumn, StoredChunk, chunks_by_address
from mistique_core.dedup import column_hash
from mistique_core.errors import CorruptPartitionError
from mistique_core.maintenance.documents import Document, is_column
from mistique_core.maintenance.problems import Problem
from mistique_core.maintenance.progress import Progress
from mistique_core.maintenance.verify import Array, decode_verified, frames_in
from mistique_core.partition import ChunkLocation, Zone, read_columns, scan_partition, zone_of
from mistique_core.storage import StorageBackend, StoredFile

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundChunk:
    """A chunk that a file holds.

    Attributes
    ----------
    file
        Name of the file.
    location
        Where it lies in it.
    zone
        Of its values.
    base
        Address of the chunk that it is a difference to, or ``None``.
    """

    file: str
    location: ChunkLocation
    zone: Zone | None
    base: bytes | None


@dataclass
class Scanned:
    """What the files hold.

    Attributes
    ----------
    chunks
        Address -> chunk, of those that the catalogue lacks.
    documents
        File -> descriptions of column versions, in the order of writing.
    files
        Name -> length, of every file.
    problems
        What cannot be read.
    """

    chunks: dict[bytes, FoundChunk] = field(default_factory=dict)
    documents: dict[str, list[Document]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def scan_files(
    backend: StorageBackend,
    connection: sa.Connection,
    files: Iterable[StoredFile],
    *,
    sound: Collection[bytes],
    removed: Collection[str],
    progress: Progress,
) -> Scanned:
    """Read files, and decode and prove each chunk that the catalogue lacks.

    Parameters
    ----------
    backend
        Where they are.
    connection
        For looking up chunks that others are differences to.
    files
        All files.
    sound
        Addresses of the chunks that the catalogue finds.
    removed
        Names of files that wait for ``gc``; they are read last.
    progress
        Told (done, total) bytes.
    """
    ordered = sorted(files, key=lambda file: (file.name in removed, file.modified_at, file.name))
    total, done = sum(file.bytes for file in ordered), 0
    scanned = Scanned()
    differences: list[tuple[str, ChunkLocation]] = []
    for file in ordered:
        _scan_file(backend, file, sound, scanned, differences)
        done += file.bytes
        progress(done, total)
    bases = _Bases(backend, connection, scanned.chunks)
    for name, location in differences:
        if location.address not in scanned.chunks:
            _add_difference(backend, bases, name, location, scanned)
    return scanned


def _scan_file(
    backend: StorageBackend,
    file: StoredFile,
    sound: Collection[bytes],
    scanned: Scanned,
    differences: list[tuple[str, ChunkLocation]],
) -> None:
    scanned.files[file.name] = file.bytes
    try:
        data = backend.get_range(file.name, 0, file.bytes)
        locations = list(scan_partition(data))
    except CorruptPartitionError as error:
        what = f"partition {file.name} cannot be read: {error}"
        scanned.problems.append(Problem("damaged file", what, "restore it from a backup, or run its pipeline again"))
        return
    for location in locations:
        if location.address in sound or location.address in scanned.chunks:
            continue
        if location.codec is not None and location.codec.transform.delta is not None:
            differences.append((file.name, location))
            continue
        try:
            array = decode_verified(location, frames_in(location, data))
        except CorruptPartitionError:
            scanned.problems.append(_damaged(file.name, location))
            continue
        scanned.chunks[location.address] = FoundChunk(file.name, location, zone_of(array), None)
    try:
        scanned.documents[file.name] = [item for item in read_columns(data) if is_column(item)]
    except CorruptPartitionError as error:
        log.warning("the descriptions of columns in partition %s cannot be read: %s", file.name[:12], error)


def _add_difference(
    backend: StorageBackend, bases: _Bases, name: str, location: ChunkLocation, scanned: Scanned
) -> None:
    assert location.codec is not None
    assert location.codec.transform.delta is not None
    base = bytes.fromhex(location.codec.transform.delta)
    try:
        array = decode_verified(location, backend.get_ranges(name, location.extents), bases.read(base))
    except CorruptPartitionError:
        scanned.problems.append(_damaged(name, location))
        return
    scanned.chunks[location.address] = FoundChunk(name, location, zone_of(array), base)


def _damaged(name: str, location: ChunkLocation) -> Problem:
    what = f"chunk {location.address.hex()} of partition {name} is damaged, or is a difference to one that is lost"
    return Problem("damaged chunk", what, "restore the partition from a backup, or run its pipeline again")


class _Bases:
    """Reads chunks that others are differences to, from the catalogue's place or a scanned one."""

    def __init__(self, backend: StorageBackend, connection: sa.Connection, scanned: Mapping[bytes, FoundChunk]) -> None:
        self._backend = backend
        self._connection = connection
        self._scanned = scanned
        self._last: tuple[bytes, Array] | None = None

    def read(self, address: bytes) -> Array:
        if self._last is None or self._last[0] != address:
            name, location = self._place(address)
            self._last = (address, decode_verified(location, self._backend.get_ranges(name, location.extents)))
        return self._last[1]

    def _place(self, address: bytes) -> tuple[str, ChunkLocation]:
        found = self._scanned.get(address)
        if found is not None and found.base is None:
            return found.file, found.location
        stored: StoredChunk | None = chunks_by_address(self._connection, [address]).get(address)
        if stored is None or stored.base is not None:
            raise CorruptPartitionError(f"chunk {address.hex()[:12]}, to which another is a difference, is lost")
        return stored.partition, stored.location


def as_column(document: Document) -> NewColumn | None:
    """Return the column version that a description describes; ``None`` unless its address proves it."""
    try:
        column = NewColumn.from_document(document)
        address = column_hash(
            column.logical_type, column.rows, column.block_rows, column.chunks, column.categories, column.scheme
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        log.warning("a description of a column cannot be read: %s", error)
        return None
    return column if address == column.address else None
