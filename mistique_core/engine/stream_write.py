"""Storing row blocks of tables as they come, so that what is stored already survives whoever stores it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from mistique_core.catalogue.captures import CapturedBlock, OpenCapture, append_blocks, save_blocks
from mistique_core.cores import usable_cores
from mistique_core.engine.chunk_writer import WholeChunk
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_stream import StreamedBlock

_MOST_THREADS = 8
_FEW_BLOCKS, _MOST_BLOCKS = 8, 64
"""Row blocks after which they are registered where nothing of them is new, and where it is: others may delete what was
taken over until then, and whoever is killed begins there."""


class StreamWrite:
    """Row blocks on their way into a capture; a context manager.

    Chunks are compressed by threads of their own, and added in the order in which they came.

    Parameters
    ----------
    committer
        Of the store.
    opened
        The capture that keeps them until the frame is complete.
    renumbered
        Whether several may store the same row block, so that each gets the next free number of the capture.

    Attributes
    ----------
    kept
        (number as it was given, number under which the capture keeps it) of each row block, where `renumbered`.
    """

    def __init__(self, committer: Committer, opened: OpenCapture, *, renumbered: bool = False) -> None:
        self._write = committer.blocks()
        self._opened = opened
        self._threads = min(usable_cores(), _MOST_THREADS)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="mistique-stream")
        self._waiting: deque[tuple[int, Mapping[str, StreamedBlock], Mapping[str, Any], Future[list[WholeChunk]]]] = (
            deque()
        )
        self._done: list[tuple[int, CapturedBlock]] = []
        self._addresses: set[bytes] = set()
        self._renumbered = renumbered
        self.kept: list[tuple[int, int]] = []

    def add(self, number: int, blocks: Mapping[str, StreamedBlock], facts: Mapping[str, Any]) -> None:
        """Store a row block of each output.

        Parameters
        ----------
        number
            Under which they are kept: one that is kept already stays as it is.
        blocks
            Output -> its row block.
        facts
            What else is to be kept with them, JSON values.

        Raises
        ------
        StorageError
            If bytes cannot be made durable.
        ChunksGoneError
            If chunks that were taken over have been deleted meanwhile.
        """
        arrays = {address: array for item in blocks.values() for address, array in item.arrays.items()}
        unknown = self._write.unknown(arrays)
        self._waiting.append((number, blocks, facts, self._pool.submit(self._write.encode, unknown)))
        while len(self._waiting) > self._threads or (self._waiting and self._waiting[0][3].done()):
            self._take()

    def go_on_with(self, opened: OpenCapture) -> None:
        """Store and register what was added so far, and let another capture keep what comes; raises as :meth:`add`."""
        self.flush()
        self._opened = opened

    def flush(self) -> None:
        """Store and register what was added so far; raises as :meth:`add`."""
        while self._waiting:
            self._take()
        self._register()

    def _take(self) -> None:
        number, blocks, facts, future = self._waiting.popleft()
        whole = future.result()
        self._write.add(whole)
        sizes = {item.chunk.address: item.chunk.stored_bytes for item in whole}
        document: CapturedBlock = {}
        for output, item in blocks.items():
            addresses = item.block.addresses
            stored = sum(sizes.pop(address, 0) for address in addresses)
            document[output] = item.block.to_captured(stored, facts)
            self._addresses |= addresses
            facts = {}  # counted once
        self._done.append((number, document))
        few = _FEW_BLOCKS if not self._write.pending_bytes else _MOST_BLOCKS
        if self._write.is_due or len(self._done) >= few:
            self._register()

    def _register(self) -> None:
        if not self._done:
            return
        done, addresses = list(self._done), list(self._addresses)
        if self._renumbered:
            self._append(done, addresses)
        else:
            self._write.register(lambda connection: save_blocks(connection, self._opened.id, done), addresses)
        self._done.clear()
        self._addresses.clear()

    def _append(self, done: Sequence[tuple[int, CapturedBlock]], addresses: Sequence[bytes]) -> None:
        numbers: list[int] = []

        def append(connection: sa.Connection) -> None:
            numbers[:] = append_blocks(connection, self._opened.id, [block for _, block in done])

        self._write.register(append, addresses)
        self.kept += [(given, number) for (given, _), number in zip(done, numbers, strict=True)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._write.close()
