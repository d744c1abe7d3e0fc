"""Storing chunks again whose bytes were lost or damaged, from values that a re-run has made anew."""

from __future__ import annotations

import logging
import os
import platform
import uuid

from mistique_core.catalogue.chunks import chunks_by_address, chunks_by_id, move_chunk
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.open_writes import begin_write, end_write, hold_shared
from mistique_core.config import StoreConfig
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest
from mistique_core.engine.chunk_writer import Array, ChunkWriter
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.rerun import Rerun
from mistique_core.errors import CorruptPartitionError
from mistique_core.storage import StorageBackend

log = logging.getLogger(__name__)


class Healer:
    """Replaces damaged chunks of one store.

    Parameters
    ----------
    catalogue, backend, config
        The store.
    """

    def __init__(self, catalogue: Catalogue, backend: StorageBackend, config: StoreConfig) -> None:
        self._catalogue = catalogue
        self._backend = backend
        self._config = config

    def heal(self, made: Rerun) -> int:
        """Store again what a re-run result needs and cannot be read; return the number of chunks.

        Parameters
        ----------
        made
            The values as they were recorded (verified against the recorded address), and what was learned
            anew; an object that did not come out the same is left alone.

        Raises
        ------
        StorageError
            If the chunks cannot be written; nothing is then changed.
        """
        outputs = OutputSet(made.block_rows)
        for name, value in made.learned_again.items():
            outputs.add_fitted(name, value)
        outputs.add_frame("", made.frame, row_id=None, derived=True, what="the re-run result")
        damaged = self._damaged(outputs.arrays)
        if not damaged:
            return 0
        write_id = uuid.uuid4().hex
        with self._catalogue.write() as connection:
            begin_write(connection, write_id, platform.node(), os.getpid())
        try:
            written = ChunkWriter(self._backend, self._config, None).write_again(damaged)
            with self._catalogue.write() as connection:
                hold_shared(connection)
                written.register(connection, self._backend)
                for item in written.partitions:
                    for chunk in item.chunks:
                        move_chunk(connection, item.name, chunk)
        finally:
            with self._catalogue.write() as connection:
                end_write(connection, write_id)
        log.warning("%d damaged chunks were stored again from a re-run", len(damaged))
        return len(damaged)

    def _damaged(self, arrays: dict[bytes, Array]) -> dict[bytes, Array]:
        """Return those arrays whose stored chunk cannot be read."""
        reader = ChunkReader(self._backend, 0)
        with self._catalogue.read() as connection:
            stored = chunks_by_address(connection, arrays)
            bases = chunks_by_id(connection, [chunk.base for chunk in stored.values() if chunk.base is not None])
        damaged = {}
        for address, chunk in stored.items():
            try:
                reader.read([ChunkRequest(chunk)], bases=bases)
            except CorruptPartitionError as error:
                log.info("%s", error)
                damaged[address] = arrays[address]
        return damaged
