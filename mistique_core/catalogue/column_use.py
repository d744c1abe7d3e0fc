"""How often intermediates, and which of their columns, were asked for: n_query of thesis Eq. 5.5.

A column is here what is stored as one: a column of a table, or a group of units of a layer. Counts are kept for the
columns that were asked for only, packed into one value an intermediate: two or three bytes a column, or as many for all
neighbours that were asked for equally often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from mistique_core.catalogue.driver_statements import insert_ignore
from mistique_core.catalogue.tables import intermediate, intermediate_use
from mistique_core.errors import CatalogueError

_BATCH = 500
_LOW_BITS = 0x7F
_MORE = 0x80


@dataclass
class Uses:
    """Queries made to one intermediate.

    Attributes
    ----------
    queries
        All of them.
    columns
        Position of a stored column -> queries that asked for it.
    """

    queries: int = 0
    columns: Counter[int] = field(default_factory=Counter)

    def add(self, other: Uses) -> None:
        """Add what was counted elsewhere."""
        self.queries += other.queries
        self.columns.update(other.columns)

    def of(self, positions: Collection[int]) -> int:
        """Return how many queries asked for all of some columns, at most.

        Queries that were counted before columns were count for every column.
        """
        before = 0 if self.columns else self.queries
        return before + min((self.columns[position] for position in positions), default=0)


def pack_counts(counts: Mapping[int, int]) -> bytes:
    """Return counts by position (from 0) as runs of neighbours with equal counts: gap, length, count."""
    found = bytearray()
    for gap, length, count in _runs(sorted((item, count) for item, count in counts.items() if count)):
        for number in (gap, length, count):
            while number > _LOW_BITS:
                found.append(number & _LOW_BITS | _MORE)
                number >>= 7
            found.append(number)
    return bytes(found)


def _runs(items: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield (positions left out before, positions, count of each)."""
    start, end, last, count = 0, 0, 0, 0
    for position, number in items:
        if position == end and number == count:
            end += 1
            continue
        if end > start:
            yield start - last, end - start, count
            last = end
        start, end, count = position, position + 1, number
    if end > start:
        yield start - last, end - start, count


def unpack_counts(packed: bytes) -> Counter[int]:
    """Return what :func:`pack_counts` was given.

    Raises
    ------
    CatalogueError
        If the value cannot be read.
    """
    numbers, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & _LOW_BITS) << shift
        shift += 7
        if byte < _MORE:
            numbers.append(number)
            number, shift = 0, 0
    if shift or len(numbers) % 3:
        raise CatalogueError(f"counts of queries of {len(packed)} bytes cannot be read; run 'mistique check'")
    found: Counter[int] = Counter()
    position = 0
    for gap, length, count in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        position += gap
        found.update(dict.fromkeys(range(position, position + length), count))
        position += length
    return found


def count_uses(connection: sa.Connection, uses: Mapping[int, Uses]) -> None:
    """Add to the counts of intermediates; one that was deleted meanwhile is left out.

    Every process adds its own queries, in one order of rows, so that none is lost and none waits for another for ever.
    """
    wanted = sorted(uses)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        known = sorted(connection.scalars(sa.select(intermediate.c.id).where(intermediate.c.id.in_(batch))))
        insert_ignore(connection, intermediate_use, [{"intermediate_id": item, "n_query": 0} for item in known])
        saved = sa.select(intermediate_use).where(intermediate_use.c.intermediate_id.in_(known))
        rows = connection.execute(saved.order_by(intermediate_use.c.intermediate_id).with_for_update()).all()
        for row in rows:
            item = _uses(row.n_query, row.columns)
            item.add(uses[row.intermediate_id])
            connection.execute(
                sa.update(intermediate_use)
                .where(intermediate_use.c.intermediate_id == row.intermediate_id)
                .values(n_query=item.queries, columns=pack_counts(item.columns))
            )


def uses_of(connection: sa.Connection, ids: Collection[int]) -> dict[int, Uses]:
    """Return what was saved of intermediates; of one that was never asked for nothing."""
    wanted = sorted(ids)
    found: dict[int, Uses] = {}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        query = sa.select(intermediate_use).where(intermediate_use.c.intermediate_id.in_(batch))
        found.update((int(row.intermediate_id), _uses(row.n_query, row.columns)) for row in connection.execute(query))
    return found


def _uses(queries: int, columns: bytes | None) -> Uses:
    return Uses(queries, Counter() if columns is None else unpack_counts(bytes(columns)))
