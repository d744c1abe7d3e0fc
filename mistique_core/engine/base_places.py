"""Where the chunks lie that others are differences to, remembered between reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import sqlalchemy as sa

from mistique_core.catalogue.chunks import StoredChunk, chunks_by_id
from mistique_core.engine.lru import LruCache

_KEPT = 32_768

_Block = Mapping[str, StoredChunk]


class BasePlaces:
    """Looks bases up once; a row of the catalogue stands for a chunk only together with its address."""

    def __init__(self) -> None:
        self._places: LruCache[tuple[int, str], StoredChunk] = LruCache(_KEPT)

    def find(self, connection: sa.Connection, blocks: Iterable[_Block]) -> dict[int, StoredChunk]:
        """Return row in the catalogue -> base, for every chunk that is a difference; a lost one is left out."""
        keys = _keys(blocks)
        known = {row: self._places.get((row, address)) for row, address in keys.items()}
        found = {row: chunk for row, chunk in known.items() if chunk is not None}
        if len(found) < len(keys):
            for row, chunk in chunks_by_id(connection, keys.keys() - found.keys()).items():
                found[row] = chunk
                self._places.put((row, keys[row]), chunk)
        return found

    def forget(self, blocks: Iterable[_Block]) -> None:
        """Look the bases of these row blocks up again the next time."""
        for key in _keys(blocks).items():
            self._places.drop(key)


def _keys(blocks: Iterable[_Block]) -> dict[int, str]:
    """Return row -> address, in hex, of each base."""
    found = {}
    for chunk in chain.from_iterable([block.values() for block in blocks]):
        if chunk.base is not None:
            codec = chunk.location.codec
            found[chunk.base] = (codec.transform.delta if codec is not None else None) or ""
    return found
