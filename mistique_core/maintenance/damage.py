"""Damaged chunks and files, and what they concern."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from mistique_core.catalogue.chunks import StoredChunk, chunks_by_id
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.tables import chunk, partition
from mistique_core.errors import CorruptPartitionError
from mistique_core.maintenance.affected import Affected, find_affected
from mistique_core.maintenance.batches import select_in
from mistique_core.maintenance.problems import Problem, shown
from mistique_core.maintenance.verify import BaseReader, decode_verified
from mistique_core.storage import StorageBackend


@dataclass
class Damage:
    """What reading the data found.

    Attributes
    ----------
    chunks
        Id of a damaged chunk -> (partition, address).
    files
        Name of a missing partition -> ids of its chunks.
    others
        What costs no value.
    """

    chunks: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    files: dict[str, list[int]] = field(default_factory=dict)
    others: list[Problem] = field(default_factory=list)


def describe(catalogue: Catalogue, backend: StorageBackend, damage: Damage) -> list[Problem]:
    """Describe the damage, with everything that it concerns, after a second look.

    What others moved or removed meanwhile is no damage.
    """
    if damage.chunks or damage.files:
        with catalogue.read() as connection:
            damage = _confirmed(connection, backend, damage)
    lost = [*damage.chunks, *(item for ids in damage.files.values() for item in ids)]
    if not lost:
        return damage.others
    with catalogue.read() as connection:
        affected = find_affected(connection, lost)
    found = list(damage.others)
    for item, (name, address) in sorted(damage.chunks.items(), key=lambda entry: entry[1]):
        what = f"chunk {address.hex()} of partition {name} is damaged; it belongs to {_owners(affected[item])}"
        found.append(Problem("damaged chunk", what, _remedy(affected[item])))
    for name, ids in sorted(damage.files.items()):
        owners = [owner for item in ids for owner in affected[item]]
        what = f"partition {name} is missing with its {len(ids)} chunks; they belong to {_owners(owners)}"
        found.append(Problem("missing file", what, _remedy(owners)))
    return found


def _confirmed(connection: sa.Connection, backend: StorageBackend, damage: Damage) -> Damage:
    chunks = {}
    bases = BaseReader(backend)
    present = chunks_by_id(connection, damage.chunks)
    for number, (name, address) in damage.chunks.items():
        item = present.get(number)
        is_there = item is not None and (item.partition, item.address) == (name, address)
        if item is not None and is_there and not _is_whole(connection, backend, bases, item):
            chunks[number] = (name, address)
    files = {}
    for row in select_in(connection, sa.select(partition), partition.c.name, damage.files):
        if not _exists(backend, row.name):
            inside = sa.select(chunk.c.id).where(chunk.c.partition_id == row.id)
            files[str(row.name)] = [int(number) for number in connection.scalars(inside)]
    return Damage(chunks, files, damage.others)


def _is_whole(connection: sa.Connection, backend: StorageBackend, bases: BaseReader, item: StoredChunk) -> bool:
    try:
        frames = backend.get_ranges(item.partition, item.location.extents)
        decode_verified(item.location, frames, bases.read(connection, item))
    except CorruptPartitionError:
        return False
    return True


def _exists(backend: StorageBackend, name: str) -> bool:
    try:
        backend.size(name)
    except CorruptPartitionError:
        return False
    return True


def _owners(affected: list[Affected]) -> str:
    return shown(map(str, affected), "; ") or "nothing"


def _remedy(affected: list[Affected]) -> str:
    if not affected:
        return "nothing needs it: run 'mistique gc'"
    if all(item.can_rerun for item in affected):
        return "ask for it with strategy='rerun', or restore the partition from a backup"
    if any(item.can_rerun for item in affected):
        return "restore the partition from a backup; or ask for what can be re-run, and run the pipeline of the rest"
    return "restore the partition from a backup, or run its pipeline again"
