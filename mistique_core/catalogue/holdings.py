"""What can be re-run and is kept all the same, in encoded bytes: what a budget is about (thesis 5.5.2).

Counted is every chunk that a kept column of such an intermediate refers to, once, together with the chunk that it is
stored as a difference to, whoever else refers to them too: so deleting something else never makes it more. Row ids,
source data, what learned objects hold and what nobody has re-run yet are not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.layouts import unpack_versions
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, intermediate, model_version, setting
from mistique_core.catalogue.unstored import unpack_unstored

_BATCH = 500
_STORE_BUDGET = "budget_bytes"
_BUDGET_LOCK = 0x4D495342  # "MISB": key of PostgreSQL's advisory lock

Column = tuple[int, int]
"""(intermediate, position of a column)."""


@dataclass(frozen=True)
class VersionChunks:
    """Chunks of column versions.

    Attributes
    ----------
    chunks
        Column version -> its chunks, those of its categories, and those that these are differences to.
    sizes
        Chunk -> encoded bytes.
    """

    chunks: Mapping[int, frozenset[int]]
    sizes: Mapping[int, int]

    def total(self, versions: Iterable[int]) -> int:
        """Return the bytes of column versions, each chunk once."""
        return sum(self.sizes[item] for item in self.union(versions))

    def union(self, versions: Iterable[int]) -> frozenset[int]:
        """Return the chunks of column versions."""
        return frozenset().union(*(self.chunks.get(version, ()) for version in versions))


@dataclass(frozen=True)
class Holdings:
    """Columns that are kept of what can be re-run.

    Attributes
    ----------
    columns
        (intermediate, position) -> column version.
    stored
        Their chunks.
    """

    columns: Mapping[Column, int]
    stored: VersionChunks

    def total(self, without: Collection[Column] = ()) -> int:
        """Return the bytes that they take, some left out."""
        left = set(without)
        return self.stored.total({version for column, version in self.columns.items() if column not in left})


def load_holdings(connection: sa.Connection, model_version_id: int | None) -> Holdings:
    """Return what is kept of a model version, or of the whole store where `model_version_id` is ``None``."""
    query = sa.select(intermediate.c.id, intermediate.c.columns, intermediate.c.unstored).where(
        intermediate.c.rerun_equal.is_(sa.true())
    )
    if model_version_id is not None:
        query = query.where(intermediate.c.model_version_id == model_version_id)
    columns: dict[Column, int] = {}
    for row in connection.execute(query).all():
        columns.update(((int(row.id), position), version) for position, version in _kept(row.columns, row.unstored))
    return Holdings(columns, version_chunks(connection, set(columns.values())))


def kept_columns(connection: sa.Connection, intermediate_id: int) -> dict[int, int]:
    """Return position -> column version of the columns that an intermediate keeps."""
    query = sa.select(intermediate.c.columns, intermediate.c.unstored).where(intermediate.c.id == intermediate_id)
    row = connection.execute(query).one()
    return dict(_kept(row.columns, row.unstored))


def _kept(columns: bytes, unstored: bytes | None) -> Iterable[tuple[int, int]]:
    ids = unpack_versions(bytes(columns)).tolist()
    return enumerate(ids) if unstored is None else zip(unpack_unstored(bytes(unstored)).kept, ids, strict=True)


def version_chunks(connection: sa.Connection, versions: Collection[int]) -> VersionChunks:
    """Return the chunks of column versions."""
    chunks: dict[int, set[int]] = {version: set() for version in versions}
    sizes: dict[int, int] = {}
    bases: set[int] = set()
    wanted = sorted(versions)
    owns = sa.or_(
        column_chunk.c.column_version_id == column_version.c.id,
        column_chunk.c.column_version_id == column_version.c.categories_id,
    )
    query = sa.select(column_version.c.id, chunk.c.id, chunk.c.stored_bytes, chunk.c.base_id).select_from(
        column_version.join(column_chunk, owns).join(chunk, chunk.c.id == column_chunk.c.chunk_id)
    )
    for start in range(0, len(wanted), _BATCH):
        rows = connection.execute(query.where(column_version.c.id.in_(wanted[start : start + _BATCH])))
        for version, item, size, base in rows:
            chunks[int(version)].add(int(item))
            sizes[int(item)] = int(size)
            if base is not None:
                chunks[int(version)].add(int(base))
                bases.add(int(base))
    missing = sorted(bases - sizes.keys())
    for start in range(0, len(missing), _BATCH):
        found = sa.select(chunk.c.id, chunk.c.stored_bytes).where(chunk.c.id.in_(missing[start : start + _BATCH]))
        sizes.update((int(item), int(size)) for item, size in connection.execute(found))
    return VersionChunks({version: frozenset(items) for version, items in chunks.items()}, sizes)


def hold_budget(connection: sa.Connection) -> None:
    """Let one transaction at a time decide what is kept, until it ends: what it counts then stays true.

    Taken after the deletion lock. On SQLite the one write lock that there is does it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_BUDGET_LOCK)))


def store_budget(connection: sa.Connection) -> int | None:
    """Return the budget of the whole store in bytes, as it was last enforced; ``None`` where there is none."""
    value = connection.scalar(sa.select(setting.c.value).where(setting.c.name == _STORE_BUDGET))
    return None if value is None else int(value)


def save_store_budget(connection: sa.Connection, limit_bytes: int | None) -> None:
    """Record the budget of the whole store, which every process then keeps to."""
    connection.execute(sa.delete(setting).where(setting.c.name == _STORE_BUDGET))
    if limit_bytes is not None:
        connection.execute(sa.insert(setting).values(name=_STORE_BUDGET, value=str(limit_bytes)))


def save_version_budget(connection: sa.Connection, model_version_id: int, limit_bytes: int | None) -> None:
    """Record the budget of a model version."""
    connection.execute(
        sa.update(model_version).where(model_version.c.id == model_version_id).values(budget_bytes=limit_bytes)
    )
