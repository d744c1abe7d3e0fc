"""Committing outputs: bytes first, then one transaction; started again when a deletion came between.

A writer looks up what is stored, leaves that out, and registers the rest later. Between the two a
garbage collection may delete what was left out. The registering transaction notices, nothing of it
is kept, and the write starts again with what is stored then.
"""

from __future__ import annotations

import logging
import os
import platform
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa

from mistique_core.catalogue.chunks import ChunksGoneError, NewColumn
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.open_writes import begin_write, end_write, hold_shared
from mistique_core.config import StoreConfig
from mistique_core.engine.block_write import BlockWrite
from mistique_core.engine.chunk_writer import Array, ChunkWriter, WrittenChunks
from mistique_core.engine.column_memo import ColumnMemo
from mistique_core.engine.outputs import OutputSet, register_shared
from mistique_core.engine.similar import SimilarChunks
from mistique_core.engine.staged_write import StagedWrite
from mistique_core.errors import CatalogueError, ConflictError, MistiqueError
from mistique_core.frames import TextCache
from mistique_core.storage import StorageBackend

log = logging.getLogger(__name__)

Result = TypeVar("Result")
_MOST_TRIES = 8
_COLUMNS_KEPT = 4_096
_TEXT_CACHE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Pending(Generic[Result]):
    """Outputs that wait to be committed.

    Attributes
    ----------
    outputs
        Hashed frames and fitted objects.
    register
        Makes them visible: called with the transaction and the unclaimed new bytes by chunk address.
    """

    outputs: OutputSet
    register: Callable[[sa.Connection, dict[bytes, int]], Result]


class Committer:
    """Makes outputs durable and visible.

    Parameters
    ----------
    catalogue, backend, config
        The store.
    similar
        Finds stored chunks that are nearly equal; ``None`` switches that off.
    """

    def __init__(
        self, catalogue: Catalogue, backend: StorageBackend, config: StoreConfig, similar: SimilarChunks | None = None
    ) -> None:
        self._catalogue = catalogue
        self._backend = backend
        self._writer = ChunkWriter(backend, config, similar)
        self._exact_dedup = config.exact_dedup
        self._block_rows = config.block_rows
        self._memo = ColumnMemo(_COLUMNS_KEPT if config.cache_bytes else 0)
        self._ended: set[str] = set()
        self._texts = TextCache(min(config.cache_bytes, _TEXT_CACHE_BYTES))

    def outputs(self) -> OutputSet:
        """Return an empty set of outputs for this store."""
        return OutputSet(self._block_rows, self._texts, self._memo)

    def stage(self) -> StagedWrite:
        """Begin a write whose outputs are made ready as they come, for :meth:`commit` or :meth:`discard`."""
        write_id = uuid.uuid4().hex
        return StagedWrite(write_id, self._catalogue, self._writer, self._exact_dedup, lambda: self._announce(write_id))

    def blocks(self) -> BlockWrite:
        """Begin a write whose chunks become registered bit by bit, before anything refers to them."""
        write_id = uuid.uuid4().hex
        return BlockWrite(
            self._catalogue,
            self._backend,
            self._writer,
            lambda: self._announce(write_id),
            lambda: self._withdraw(write_id),
        )

    def discard(self, staged: StagedWrite) -> None:
        """Give up a write; files that it has put already are left to garbage collection."""
        staged.close()
        self._withdraw(staged.id)

    def commit(self, items: Sequence[Pending[Result]], staged: StagedWrite | None = None) -> list[Result]:
        """Commit everything together, or nothing.

        Parameters
        ----------
        items
            What is committed.
        staged
            A write to which the outputs of all items were added already; it ends here.

        Returns
        -------
        list
            What each item's `register` returned.

        Raises
        ------
        StorageError
            If bytes cannot be made durable.
        CatalogueError
            If the catalogue refuses, or deletions keep coming between.
        """
        write_id = uuid.uuid4().hex if staged is None else staged.id
        try:
            for _ in range(_MOST_TRIES):
                if staged is None:
                    written = self._write(write_id, items)
                else:
                    with closing(staged):
                        written = staged.finish()
                    staged = None  # if it has been overtaken, everything is looked up again
                try:
                    return self._register(write_id, items, written)
                except (ChunksGoneError, ConflictError) as error:
                    log.info("writing again: %s", error)
        except BaseException:
            self._withdraw(write_id)
            raise
        self._withdraw(write_id)
        raise CatalogueError(f"a write was overtaken by others {_MOST_TRIES} times; run 'mistique gc' less often")

    def _write(self, write_id: str, items: Sequence[Pending[Result]]) -> WrittenChunks:
        with self._catalogue.read() as connection:
            arrays: dict[bytes, Array] = {}
            columns: list[NewColumn] = []
            for item in items:
                missing = item.outputs.missing(connection, skip_known=self._exact_dedup)
                arrays.update(missing.arrays)
                columns.extend(column for column in missing.columns if column not in columns)
        if not arrays and not columns:
            return WrittenChunks((), {})
        self._announce(write_id)
        with self._catalogue.read() as connection:
            return self._writer.write(connection, arrays, columns)

    def _announce(self, write_id: str) -> None:
        ended = self._ended.copy()
        with self._catalogue.write() as connection:
            for other in sorted(ended):
                end_write(connection, other)
            begin_write(connection, write_id, platform.node(), os.getpid())
        self._ended -= ended

    def _register(self, write_id: str, items: Sequence[Pending[Result]], written: WrittenChunks) -> list[Result]:
        with self._catalogue.write() as connection:
            hold_shared(connection)
            unclaimed = written.register(connection, self._backend)
            for item in items:
                item.outputs.check_unread(connection)
            register_shared(connection, [item.outputs for item in items])
            results = [item.register(connection, unclaimed) for item in items]
            end_write(connection, write_id)
            return results

    def _withdraw(self, write_id: str) -> None:
        try:
            with self._catalogue.write() as connection:
                end_write(connection, write_id)
        except MistiqueError as error:
            self._ended.add(write_id)  # recorded with the next write, as soon as the disk has room again
            log.warning("could not record that write %s ended: %s", write_id, error)
