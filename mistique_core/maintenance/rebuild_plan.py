"""Which rows can be restored from what the files hold: a pure function of both."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.maintenance.problems import Problem
from mistique_core.maintenance.rebuild_ids import Described, Frame, resolve_versions
from mistique_core.maintenance.rebuild_state import CatalogueState
from mistique_core.maintenance.scan import FoundChunk, Scanned, as_column

_LOST = "restore it from a backup, or run its pipeline again"


@dataclass(frozen=True)
class RebuildPlan:
    """What to write.

    Attributes
    ----------
    partitions
        Names of files that get a row.
    chunks
        Chunks that get a row, those that are no differences first.
    moved
        Chunks whose row is to point elsewhere, in the same order.
    columns
        Column versions that get a row, those of categories first, and each one's id.
    listed
        Column versions whose row is there and whose list of chunks is not right.
    relinked
        Intermediates, each with the addresses of its row ids and of its columns.
    problems
        What cannot be restored.
    """

    partitions: tuple[str, ...]
    chunks: tuple[FoundChunk, ...]
    moved: tuple[FoundChunk, ...]
    columns: tuple[tuple[int, NewColumn], ...]
    listed: tuple[NewColumn, ...]
    relinked: tuple[tuple[Frame, bytes, tuple[bytes, ...]], ...]
    problems: tuple[Problem, ...]


def plan_rebuild(state: CatalogueState, scanned: Scanned) -> RebuildPlan:
    """Decide what to restore.

    Everything that the files hold gets its rows again, but for files that wait for ``gc``: of those only
    what an intermediate or a row needs.
    """
    described = _columns(scanned)
    groups = _groups(scanned, described)
    known = {item: address for address, item in state.versions.items()}
    ids = resolve_versions(state.frames, known, groups)
    needed = _needed(state, described, ids)
    columns = {
        address: column
        for address, (column, files) in described.items()
        if address in needed or not files <= state.removed
    }
    wanted = {part for address in needed if address in described for _, _, part in described[address][0].chunks}
    chunks = _chunks(state, scanned, wanted)
    available = state.sound | chunks.keys()
    complete = _complete(columns, set(state.versions), available)
    made = {address: columns[address] for address in complete if address not in state.versions}
    listed = {
        address: columns[address]
        for address, item in state.versions.items()
        if item not in state.right and address in complete
    }
    present = state.versions.keys() | made.keys()
    relinked, lost = _relink(state, known | ids, present)
    return RebuildPlan(
        _partitions(state, scanned, chunks, present),
        tuple(item for item in _ordered(chunks) if item.location.address not in state.chunks),
        tuple(item for item in _ordered(chunks) if item.location.address in state.chunks),
        tuple(_with_ids(made, state, ids)),
        tuple(listed.values()),
        relinked,
        (*scanned.problems, *lost, *_lost_rows(state, available, listed)),
    )


def _columns(scanned: Scanned) -> dict[bytes, tuple[NewColumn, set[str]]]:
    """Return address -> (column version, files that describe it)."""
    found: dict[bytes, tuple[NewColumn, set[str]]] = {}
    for name, documents in scanned.documents.items():
        for document in documents:
            address = bytes.fromhex(document["address"])
            if address in found:
                found[address][1].add(name)
                continue
            column = as_column(document)
            if column is not None:
                found[address] = (column, {name})
    return found


def _groups(scanned: Scanned, described: Mapping[bytes, tuple[NewColumn, set[str]]]) -> list[list[Described]]:
    categories = {column.categories for column, _ in described.values() if column.categories is not None}
    groups = []
    for documents in scanned.documents.values():
        group = []
        for document in documents:
            address = bytes.fromhex(document["address"])
            if address in described:
                hint = document.get("id")
                rows = described[address][0].rows
                group.append(Described(address, rows, address in categories, hint if isinstance(hint, int) else None))
        groups.append(group)
    return groups


def _needed(
    state: CatalogueState, described: Mapping[bytes, tuple[NewColumn, set[str]]], ids: Mapping[int, bytes]
) -> set[bytes]:
    """Return the column versions that intermediates or rows need, those of categories included."""
    wrong = {address for address, item in state.versions.items() if item not in state.right}
    needed = {*ids.values(), *wrong}
    for address in list(needed):
        parent = described[address][0].categories if address in described else None
        if parent is not None:
            needed.add(parent)
    return needed


def _chunks(state: CatalogueState, scanned: Scanned, wanted: set[bytes]) -> dict[bytes, FoundChunk]:
    """Return the chunks to restore, with those that they are differences to."""
    lost = state.chunks.keys() - state.sound
    chosen = {
        address: item
        for address, item in scanned.chunks.items()
        if address not in state.sound and (item.file not in state.removed or address in lost or address in wanted)
    }
    for item in list(chosen.values()):
        if item.base is not None and item.base not in state.sound and item.base in scanned.chunks:
            chosen[item.base] = scanned.chunks[item.base]
    return chosen


def _ordered(chunks: Mapping[bytes, FoundChunk]) -> list[FoundChunk]:
    return sorted(chunks.values(), key=lambda item: (item.base is not None, item.location.address))


def _complete(columns: Mapping[bytes, NewColumn], present: set[bytes], available: Set[bytes]) -> set[bytes]:
    """Return the column versions of which every chunk, and the categories, can be had."""
    whole = {address for address, column in columns.items() if all(part in available for _, _, part in column.chunks)}
    return {
        address
        for address in whole
        if columns[address].categories is None
        or columns[address].categories in whole
        or columns[address].categories in present
    }


def _partitions(
    state: CatalogueState, scanned: Scanned, chunks: Mapping[bytes, FoundChunk], present: set[bytes]
) -> tuple[str, ...]:
    """Return the files that need a row: of a chunk, or because they describe a column version."""
    names = {item.file for item in chunks.values()}
    for name, documents in scanned.documents.items():
        if name not in state.removed and any(bytes.fromhex(item["address"]) in present for item in documents):
            names.add(name)
    return tuple(sorted(names - state.partitions.keys()))


def _with_ids(
    made: Mapping[bytes, NewColumn], state: CatalogueState, ids: Mapping[int, bytes]
) -> list[tuple[int, NewColumn]]:
    """Return the new column versions with the ids that intermediates know them by, or with free ones."""
    old = {address: item for item, address in sorted(ids.items(), reverse=True)}
    free = state.next_version
    found = []
    for address, column in sorted(made.items(), key=lambda entry: (entry[1].categories is not None, entry[0])):
        item = old.get(address)
        if item is None:
            item, free = free, free + 1
        found.append((item, column))
    return found


def _relink(
    state: CatalogueState, addresses: Mapping[int, bytes], present: set[bytes]
) -> tuple[tuple[tuple[Frame, bytes, tuple[bytes, ...]], ...], list[Problem]]:
    """Return the intermediates that had lost columns, and those that stay without."""
    relinked, problems = [], []
    there = set(state.versions.values())
    for frame in state.frames:
        if there >= set(frame.ids):
            continue
        found = [addresses.get(item) for item in (frame.row_id, *frame.columns)]
        proved = [address for address in found if address is not None and address in present]
        if len(proved) == len(found):
            relinked.append((frame, proved[0], tuple(proved[1:])))
        else:
            what = f"intermediate {frame.label} has {len(found) - len(proved)} columns that no file describes or holds"
            problems.append(Problem("incomplete frame", what, _LOST))
    problems += [
        Problem("incomplete frame", f"intermediate {label} has lost the names of its columns", _LOST)
        for label in state.unreadable
    ]
    return tuple(relinked), problems


def _lost_rows(state: CatalogueState, available: Set[bytes], listed: Mapping[bytes, NewColumn]) -> list[Problem]:
    """Return what the catalogue has rows for, and no file has bytes for."""
    problems = [
        Problem("misplaced chunk", f"chunk {address.hex()} lies in no file that can be read", _LOST)
        for address in sorted(state.chunks.keys() - available)
    ]
    problems += [
        Problem("incomplete column", f"the chunks of column version {item} are described in no file", _LOST)
        for address, item in sorted(state.versions.items())
        if item not in state.right and address not in listed
    ]
    problems += [
        Problem("lost object", f"fitted object {label} has lost its bytes", "run its pipeline again")
        for label in state.lost_objects
    ]
    return problems
