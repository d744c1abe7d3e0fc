"""Damaged chunks and files, and what they concern."""

from __future__ import annotations

from dataclasses import dataclass, field

from mistique_core.catalogue.database import Catalogue
from mistique_core.maintenance.affected import Affected, find_affected
from mistique_core.maintenance.problems import Problem, shown


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


def describe(catalogue: Catalogue, damage: Damage) -> list[Problem]:
    """Describe the damage, with everything that it concerns."""
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
