"""Checking a store without reading its data: every reference leads somewhere, every address is right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.layouts import Layout, frame_address, read_layout, unpack_versions
from mistique_core.catalogue.open_writes import open_writes
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    deleted_partition,
    fitted,
    intermediate,
    layout,
    model,
    model_version,
    partition,
    project,
)
from mistique_core.catalogue.unstored import unpack_unstored
from mistique_core.dedup import column_hash
from mistique_core.errors import MistiqueError
from mistique_core.maintenance.problems import CheckReport, Kind, Problem, shown
from mistique_core.maintenance.snapshot import snapshot
from mistique_core.partition import Codec, unpack_extents
from mistique_core.storage import StorageBackend

_RERUN = "re-run what is listed with strategy='rerun', or run its pipeline again"
_REBUILD = "run 'mistique rebuild', which restores what the partition files describe"
_RESTORE = "restore the file from a backup, or run 'mistique rebuild' if the bytes lie in another file"
_BATCH = 10_000


@dataclass
class _Found:
    """What was seen so far."""

    problems: list[Problem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Version:
    """A column version as recorded."""

    address: bytes
    logical_type: str
    rows: int
    block_rows: int
    categories: int | None
    scheme: str | None


def check_structure(catalogue: Catalogue, backend: StorageBackend) -> CheckReport:
    """Check a store without reading its data; nothing is changed.

    Raises
    ------
    CatalogueUnavailableError
        If the catalogue cannot be read.
    StorageError
        If the files cannot be listed.
    """
    found = _Found()
    with snapshot(catalogue) as connection:
        partitions = {int(row.id): (str(row.name), int(row.bytes)) for row in connection.execute(sa.select(partition))}
        removed = {str(name) for name in connection.scalars(sa.select(deleted_partition.c.name))}
        writes = tuple(f"{write.host}:{write.pid}" for write in open_writes(connection))
        _check_chunks(connection, partitions, found)
        versions = _check_columns(connection, found)
        _check_frames(connection, versions, found)
        _check_fitted(connection, found)
    files = {file.name: file.bytes for file in backend.files()}
    _check_files(catalogue, backend, dict(partitions.values()), files, found)
    unknown = set(files) - {name for name, _ in partitions.values()}
    waiting, orphans = unknown & removed, unknown - removed
    return CheckReport(
        problems=tuple(found.problems),
        partitions=len(partitions),
        chunks=found.counts["chunks"],
        column_versions=len(versions),
        intermediates=found.counts["intermediates"],
        partition_bytes=sum(size for name, size in files.items() if name not in unknown),
        waiting_files=len(waiting),
        waiting_bytes=sum(files[name] for name in waiting),
        orphans=len(orphans),
        orphan_bytes=sum(files[name] for name in orphans),
        open_writes=writes,
    )


def _check_files(
    catalogue: Catalogue, backend: StorageBackend, recorded: Mapping[str, int], files: Mapping[str, int], found: _Found
) -> None:
    """Compare recorded lengths with the files; one that was moved or deleted meanwhile is no problem."""
    suspects = sorted(name for name, size in recorded.items() if files.get(name) != size)
    for name in suspects:
        with catalogue.read() as connection:
            expected = connection.scalar(sa.select(partition.c.bytes).where(partition.c.name == name))
        if expected is None:
            continue
        try:
            actual = backend.size(name)
        except MistiqueError as error:
            found.problems.append(Problem("missing file", f"partition {name}: {error}", _RESTORE))
            continue
        if actual != expected:
            what = f"partition {name} has {actual} bytes where {expected} were written"
            found.problems.append(Problem("wrong size", what, _RESTORE))


def _check_chunks(connection: sa.Connection, partitions: Mapping[int, tuple[str, int]], found: _Found) -> None:
    """Check that each chunk lies inside its partition, and each difference has a base that is none."""
    base = chunk.alias("base")
    query: sa.Select[Any] = sa.select(
        chunk.c.id,
        chunk.c.address,
        chunk.c.partition_id,
        chunk.c.byte_offset,
        chunk.c.stored_bytes,
        chunk.c.pages,
        chunk.c.codec,
        chunk.c.base_id,
        base.c.address.label("base_address"),
        base.c.base_id.label("base_base"),
    ).outerjoin(base, base.c.id == chunk.c.base_id)
    count = 0
    for row in connection.execute(query).yield_per(_BATCH):
        count += 1
        name, size = partitions.get(row.partition_id, (None, 0))
        label = f"chunk {bytes(row.address).hex()[:12]}"
        if name is None:
            what = f"{label} lies in partition {row.partition_id}, which is not in the catalogue"
            found.problems.append(Problem("misplaced chunk", what, _REBUILD))
        elif not lies_inside(row, size):
            what = f"{label} reaches beyond its partition {name} of {size} bytes"
            found.problems.append(Problem("misplaced chunk", what, _REBUILD))
        if not _has_base(row):
            what = f"{label} is a difference to a chunk that is not there or is a difference itself"
            found.problems.append(Problem("broken difference", what, _RERUN))
    found.counts["chunks"] = count


def lies_inside(row: sa.Row[Any], size: int) -> bool:
    """Return whether the extents of a chunk's row are sound and lie inside a file of `size` bytes."""
    try:
        extents: tuple[tuple[int, int], ...] = ((row.byte_offset, row.stored_bytes),)
        if row.pages is not None:
            extents = unpack_extents(bytes(row.pages), row.byte_offset)
    except MistiqueError:
        return False
    whole = sum(length for _, length in extents) == row.stored_bytes
    return whole and all(start >= 0 and length >= 0 and start + length <= size for start, length in extents)


def _has_base(row: sa.Row[Any]) -> bool:
    try:
        wanted = None if row.codec is None else Codec.from_json(row.codec).transform.delta
    except MistiqueError:
        return False
    if row.base_id is None:
        return wanted is None
    return row.base_address is not None and row.base_base is None and bytes(row.base_address).hex() == wanted


def _check_columns(connection: sa.Connection, found: _Found) -> dict[int, _Version]:
    """Check the list of chunks of each column version against its address; return all versions."""
    versions = {
        int(row.id): _Version(
            bytes(row.address), row.logical_type, row.n_rows, row.block_rows, row.categories_id, row.scheme
        )
        for row in connection.execute(sa.select(column_version)).yield_per(_BATCH)
    }
    without_chunks = set(versions)
    for item, rows in _chunk_lists(connection):
        without_chunks.discard(item)
        version = versions.get(item)
        if version is None:
            what = f"the chunks of column version {item} are there, and the version itself is not"
            found.problems.append(Problem("incomplete column", what, _REBUILD))
        else:
            _check_column(item, version, versions, rows, found)
    for item in sorted(without_chunks):
        _check_column(item, versions[item], versions, [], found)
    return versions


def _chunk_lists(connection: sa.Connection) -> Iterator[tuple[int, list[sa.Row[Any]]]]:
    """Yield (column version, its chunks in the order of their hash)."""
    query: sa.Select[Any] = (
        sa.select(column_chunk.c.column_version_id, column_chunk.c.part, column_chunk.c.block, chunk.c.address)
        .outerjoin(chunk, chunk.c.id == column_chunk.c.chunk_id)
        .order_by(column_chunk.c.column_version_id, column_chunk.c.block, column_chunk.c.part)
    )
    rows = connection.execute(query).yield_per(_BATCH)
    for item, group in groupby(rows, key=lambda row: int(row.column_version_id)):
        yield item, list(group)


def _check_column(
    item: int, version: _Version, versions: Mapping[int, _Version], rows: list[sa.Row[Any]], found: _Found
) -> None:
    label = f"column version {item} ({version.address.hex()[:12]})"
    lost = sum(row.address is None for row in rows)
    blocks = -(-version.rows // version.block_rows)
    missing = sorted(set(range(blocks)) - {row.block for row in rows})
    parent = None
    if version.categories is not None:
        if version.categories not in versions:
            found.problems.append(Problem("incomplete column", f"{label} has lost its categories", _REBUILD))
            return
        parent = versions[version.categories].address
    if lost or missing:
        what = f"{label} lacks {lost} chunks and {len(missing)} of {blocks} row blocks"
        found.problems.append(Problem("incomplete column", what, _REBUILD))
        return
    chunks = storage_order([(str(row.part), int(row.block), bytes(row.address)) for row in rows], version.scheme)
    address = column_hash(version.logical_type, version.rows, version.block_rows, chunks, parent, version.scheme)
    if address != version.address:
        what = f"{label} lists other chunks than those it was made of"
        found.problems.append(Problem("wrong column", what, _REBUILD))


def storage_order(chunks: Iterable[tuple[str, int, bytes]], scheme: str | None) -> list[tuple[str, int, bytes]]:
    """Return (part, block, address) in the order of a column's hash: tables of the scheme, then blocks, by part."""
    tables = set() if scheme is None else set(json.loads(scheme).get("tables", ()))
    return sorted(chunks, key=lambda entry: (entry[0] not in tables, entry[1], entry[0]))


def _check_frames(connection: sa.Connection, versions: Mapping[int, _Version], found: _Found) -> None:
    """Check the columns of each intermediate against its address."""
    layouts = {int(row.id): bytes(row.names) for row in connection.execute(sa.select(layout))}
    query = sa.select(
        intermediate,
        project.c.name.label("project"),
        model.c.name.label("model"),
        model_version.c.number,
    ).select_from(
        intermediate.join(model_version, model_version.c.id == intermediate.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
    )
    count = 0
    for row in connection.execute(query).yield_per(_BATCH):
        count += 1
        label = f"intermediate {row.project}.{row.model}@{row.number}.{row.name}"
        problem = _frame_problem(row, layouts.get(row.layout_id), versions)
        if problem is not None:
            kind, text = problem
            remedy = _REBUILD if kind == "incomplete frame" else _RERUN
            found.problems.append(Problem(kind, f"{label} (attempt {row.attempt}) {text}", remedy))
    found.counts["intermediates"] = count


def _frame_problem(row: sa.Row[Any], stored: bytes | None, versions: Mapping[int, _Version]) -> tuple[Kind, str] | None:
    if stored is None or row.columns is None:
        return "incomplete frame", "has lost the names of its columns"
    try:
        names = read_layout(stored)
        ids = unpack_versions(bytes(row.columns)).tolist()
    except (MistiqueError, ValueError, KeyError) as error:
        return "incomplete frame", f"has a list of columns that cannot be read: {error}"
    if row.unstored is not None:
        return _unkept_problem(row, names, versions)
    lost = sorted({item for item in (row.row_id_version, *ids) if item not in versions})
    if lost:
        return "incomplete frame", f"refers to {len(lost)} column versions that are not there: {shown(map(str, lost))}"
    rows = {versions[item].rows for item in (row.row_id_version, *ids)}
    if rows != {row.n_rows}:
        return "wrong frame", f"has {row.n_rows} rows, and columns of {shown(map(str, sorted(rows)))}"
    if names.members is None and len(names.names) != len(ids):
        return "wrong frame", f"has {len(ids)} columns and {len(names.names)} names"
    address = frame_address(versions[row.row_id_version].address, names, [versions[item].address for item in ids])
    if address != bytes(row.address):
        return "wrong frame", "has other columns than those that were logged"
    return None


def _unkept_problem(row: sa.Row[Any], names: Layout, versions: Mapping[int, _Version]) -> tuple[Kind, str] | None:
    """Return what is wrong with an intermediate of which the row ids and some columns, or none, are kept."""
    try:
        unstored = unpack_unstored(bytes(row.unstored))
        ids = unpack_versions(bytes(row.columns)).tolist()
    except MistiqueError as error:
        return "incomplete frame", f"has a list of columns that cannot be read: {error}"
    if row.row_id_version not in versions:
        return "incomplete frame", f"refers to row ids that are not there: {row.row_id_version}"
    lost = sorted({item for item in ids if item not in versions})
    if lost:
        return "incomplete frame", f"refers to {len(lost)} column versions that are not there: {shown(map(str, lost))}"
    addresses = [column.address for column in unstored.columns]
    kept = [addresses[position] for position in unstored.kept if position < len(addresses)]
    if kept != [versions[item].address for item in ids]:
        return "wrong frame", "keeps other columns than those that were logged"
    address = frame_address(versions[row.row_id_version].address, names, addresses)
    if address != bytes(row.address) or versions[row.row_id_version].rows != row.n_rows:
        return "wrong frame", "has other columns than those that were logged"
    return None


def _check_fitted(connection: sa.Connection, found: _Found) -> None:
    query = (
        sa.select(fitted.c.output, fitted.c.id, project.c.name, model.c.name.label("model"), model_version.c.number)
        .select_from(
            fitted.join(model_version, model_version.c.id == fitted.c.model_version_id)
            .join(model, model.c.id == model_version.c.model_id)
            .join(project, project.c.id == model.c.project_id)
            .outerjoin(chunk, chunk.c.id == fitted.c.chunk_id)
        )
        .where(chunk.c.id.is_(None))
    )
    for row in connection.execute(query):
        what = f"fitted object {row.output!r} ({row.id}) of {row.name}.{row.model}@{row.number} has lost its bytes"
        found.problems.append(Problem("lost object", what, "run its pipeline again"))
