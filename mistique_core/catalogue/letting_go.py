"""Letting columns of an intermediate go, and keeping them again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord, versions_by_id
from mistique_core.catalogue.layouts import pack_versions, unpack_versions
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, intermediate
from mistique_core.catalogue.unstored import Unstored, UnstoredColumn, pack_unstored, unpack_unstored

_BATCH = 500


def let_go(
    connection: sa.Connection,
    intermediate_id: int,
    keep: Collection[int],
    *,
    gamma_min: float | None,
    users: Mapping[int, int],
    codec: bytes = b"",
) -> None:
    """Keep of an intermediate its row ids, what its columns were, and some columns; ``gc`` frees what nobody keeps.

    Parameters
    ----------
    connection
        The transaction.
    intermediate_id
        The intermediate; columns of it that are not kept already stay so.
    keep
        Positions of the columns that stay.
    gamma_min
        From which gamma on a re-run result is to be kept; ``None`` for never, but for what fits into a budget.
    users
        Column version id -> how many intermediates hold it; one that is left out counts as held once.
    codec
        Of a layer: how its units are cut and quantized.
    """
    row = connection.execute(sa.select(intermediate).where(intermediate.c.id == intermediate_id)).one()
    ids = unpack_versions(bytes(row.columns)).tolist()
    if row.unstored is not None:
        before = unpack_unstored(bytes(row.unstored))
        columns, codec = before.columns, codec or before.codec
        held = dict(zip(before.kept, ids, strict=True))
    elif len(set(keep)) == len(ids):
        return
    else:
        columns, held = _described(connection, ids, users), dict(enumerate(ids))
    kept = tuple(position for position in sorted(held) if position in set(keep))
    packed = pack_unstored(Unstored(columns, gamma_min, kept, codec))
    connection.execute(
        sa.update(intermediate)
        .where(intermediate.c.id == intermediate_id)
        .values(columns=pack_versions([held[position] for position in kept]), unstored=packed)
    )


def keep_again(
    connection: sa.Connection, record: IntermediateRecord, versions: Mapping[int, int], stored_bytes: int
) -> bool:
    """Let an intermediate refer to columns again, which are registered; with the last of them it is kept.

    Parameters
    ----------
    connection
        The transaction.
    record
        The intermediate, which is not kept.
    versions
        Position of a column -> id of its column version.
    stored_bytes
        What storing them has added.

    Returns
    -------
    bool
        Whether it was still there, and not kept.
    """
    row = connection.execute(
        sa.select(intermediate)
        .where(
            intermediate.c.id == record.ref.id,
            intermediate.c.created_at == record.created_at,
            intermediate.c.unstored.is_not(None),
        )
        .with_for_update()
    ).first()
    if row is None:
        return False
    before = unpack_unstored(bytes(row.unstored))
    held = dict(zip(before.kept, unpack_versions(bytes(row.columns)).tolist(), strict=True)) | dict(versions)
    kept = tuple(sorted(held))
    values: dict[str, object] = {"columns": pack_versions([held[position] for position in kept]), "rerun_equal": True}
    if len(kept) == len(before.columns):
        values |= {"unstored": None, "stored_bytes": stored_bytes}
    else:
        values["unstored"] = pack_unstored(Unstored(before.columns, before.gamma_min, kept, before.codec))
    connection.execute(sa.update(intermediate).where(intermediate.c.id == record.ref.id).values(**values))
    return True


def unstored_of(connection: sa.Connection, intermediate_id: int) -> Unstored | None:
    """Return what an intermediate is not kept of; ``None`` if all of it is kept, or it is not there."""
    packed = connection.scalar(sa.select(intermediate.c.unstored).where(intermediate.c.id == intermediate_id))
    return None if packed is None else unpack_unstored(bytes(packed))


def set_threshold(connection: sa.Connection, record: IntermediateRecord, gamma_min: float | None) -> None:
    """Change from which gamma on an intermediate that is not kept is kept again; ``None`` for what fits a budget."""
    before = unstored_of(connection, record.ref.id)
    if before is None or before.gamma_min == gamma_min:
        return
    connection.execute(
        sa.update(intermediate)
        .where(intermediate.c.id == record.ref.id)
        .values(unstored=pack_unstored(replace(before, gamma_min=gamma_min)))
    )


def note_rerun(connection: sa.Connection, intermediate_id: int, equal: bool | None) -> None:
    """Record whether re-running an intermediate has given what was recorded; ``None`` for not known."""
    connection.execute(sa.update(intermediate).where(intermediate.c.id == intermediate_id).values(rerun_equal=equal))


def _described(connection: sa.Connection, ids: list[int], users: Mapping[int, int]) -> tuple[UnstoredColumn, ...]:
    sizes = _sizes(connection, ids)
    found = []
    for item, version in zip(ids, versions_by_id(connection, ids), strict=True):
        size, chunks = sizes.get(item, (0, 0))
        found.append(
            UnstoredColumn(
                version.version.address, version.logical_type, version.logical_bytes, size, chunks, users.get(item, 1)
            )
        )
    return tuple(found)


def _sizes(connection: sa.Connection, ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return column version -> (encoded bytes, chunks), its categories included."""
    found: dict[int, tuple[int, int]] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _BATCH):
        query = (
            sa.select(column_version.c.id, sa.func.coalesce(sa.func.sum(chunk.c.stored_bytes), 0), sa.func.count())
            .join(
                column_chunk,
                sa.or_(
                    column_chunk.c.column_version_id == column_version.c.id,
                    column_chunk.c.column_version_id == column_version.c.categories_id,
                ),
            )
            .join(chunk, chunk.c.id == column_chunk.c.chunk_id)
            .where(column_version.c.id.in_(wanted[start : start + _BATCH]))
            .group_by(column_version.c.id)
        )
        found.update((int(item), (int(size), int(count))) for item, size, count in connection.execute(query))
    return found
