"""Where the chunks of row blocks lie, remembered between reads.

What a row block holds never changes, only the place of its chunks, when another process moves or deletes their bytes:
a chunk that is not where it was remembered to be is looked up once more before a read fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import sqlalchemy as sa

from mistique_core.catalogue.chunks import StoredChunk, column_chunks
from mistique_core.catalogue.intermediates import VersionKey
from mistique_core.engine.base_places import BasePlaces
from mistique_core.engine.lru import LruCache
from mistique_core.engine.stored_block import StoredBlock
from mistique_core.errors import CorruptPartitionError

Place = tuple[VersionKey, int]
"""A column version, and the number of one of its row blocks, from 0."""

_Read = TypeVar("_Read")
_NUMBERS_IN_QUERY = 256


class BlockPlaces:
    """Looks up where row blocks lie.

    Parameters
    ----------
    fresh
        Opens a connection that sees what is committed now: where chunks lie may have changed since the
        caller's snapshot was taken.
    kept
        Row blocks of which it remembers where they lie.
    """

    def __init__(self, fresh: Callable[[], AbstractContextManager[sa.Connection]], kept: int) -> None:
        self._fresh = fresh
        self._blocks: LruCache[Place, StoredBlock] = LruCache(kept)
        self.bases = BasePlaces()

    def find(self, connection: sa.Connection, places: Sequence[Place]) -> list[StoredBlock]:
        """Return the row blocks at some places, in their order; of which nothing is known, an empty one."""
        found = self._blocks.get_all(places)
        if None not in found:
            return found  # type: ignore[return-value]
        unknown = [place for place, block in zip(places, found, strict=True) if block is None]
        located = self._look_up(connection, unknown)
        return [block or located.get(place) or StoredBlock() for place, block in zip(places, found, strict=True)]

    def read(
        self,
        connection: sa.Connection,
        places: Sequence[Place],
        read: Callable[[sa.Connection, Sequence[StoredBlock]], _Read],
    ) -> _Read:
        """Return what `read` makes of row blocks, which are looked up once more if they are not where they were.

        Parameters
        ----------
        connection
            A connection.
        places
            The row blocks.
        read
            Given a connection and the row blocks, reads them.

        Raises
        ------
        CorruptPartitionError
            If a row block is lost, or `read` says so twice.
        """
        blocks = self.find(connection, places)
        try:
            _check_listed(blocks)
            return read(connection, blocks)
        except CorruptPartitionError:
            for place in places:
                self._blocks.drop(place)
            self.bases.forget(blocks)
        with self._fresh() as fresh:
            found = self.find(fresh, places)
            again = [now or before for now, before in zip(found, blocks, strict=True)]
            _check_listed(again)
            return read(fresh, again)

    def _look_up(self, connection: sa.Connection, places: Sequence[Place]) -> dict[Place, StoredBlock]:
        """Look up in the catalogue where the chunks of row blocks lie, and remember it."""
        keys = {key.id: key for key, _ in places}
        numbers = sorted({number for _, number in places})
        located: dict[Place, StoredBlock] = {}
        few = numbers if len(numbers) <= _NUMBERS_IN_QUERY else None
        for version, part, number, chunk in column_chunks(connection, list(keys), few):
            located.setdefault((keys[version], number), StoredBlock())[part] = chunk
        found = {place: located[place] for place in places if place in located}
        for place, block in found.items():
            self._blocks.put(place, block)
        return found


def _check_listed(blocks: Iterable[Mapping[str, StoredChunk]]) -> None:
    """Refuse row blocks of which the catalogue names no chunk."""
    if not all(blocks):
        raise CorruptPartitionError("the catalogue has lost which chunks a column consists of; run 'mistique rebuild'")
