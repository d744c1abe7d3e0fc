"""Outputs whose row blocks are in the catalogue, put together; and storing frames that follow each other as such."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.captures import (
    CapturedBlock,
    OpenCapture,
    end_captures,
    load_numbered_blocks,
    open_capture,
)
from mistique_core.catalogue.database import Catalogue
from mistique_core.dedup import json_hash
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_blocks import AssembledFrame, FrameBlock, assemble
from mistique_core.engine.frame_stream import FrameStream
from mistique_core.engine.seen_row_ids import SeenRowIds
from mistique_core.engine.stream_write import StreamWrite
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.frames import split_row_id

log = logging.getLogger(__name__)

Seconds = tuple[float, float, float]
"""Of loading, executing and storing."""


@dataclass(frozen=True)
class AssembledOutput:
    """An output put together from its row blocks.

    Attributes
    ----------
    frame
        The frame.
    stored_bytes
        Bytes that it added to the store.
    seconds
        Of loading its inputs, of executing and of storing, as far as its row blocks say so.
    """

    frame: AssembledFrame
    stored_bytes: int
    seconds: Seconds


def added(first: Seconds, second: Seconds) -> Seconds:
    """Return the sum of two triples."""
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def assemble_outputs(saved: Sequence[CapturedBlock], block_rows: int, name: str) -> dict[str, AssembledOutput]:
    """Put the outputs of a stage together.

    Parameters
    ----------
    saved
        All row blocks, in any order.
    block_rows
        Rows of a row block.
    name
        The stage's name.

    Raises
    ------
    InvalidInputError
        If row blocks of an output differ in their columns or types.
    """
    made = {}
    for output in sorted({output for block in saved for output in block}):
        rows = [block[output] for block in saved if output in block]
        blocks = sorted((FrameBlock.from_captured(item) for item in rows), key=lambda block: block.number)
        seconds: Seconds = (0.0, 0.0, 0.0)
        for item in rows:
            loading, executing, storing = item.facts.get("seconds", (0.0, 0.0, 0.0))
            seconds = added(seconds, (loading, executing, storing))
        made[output] = AssembledOutput(
            assemble(blocks, block_rows, _described(output, name)),
            sum(item.stored_bytes for item in rows),
            seconds,
        )
    return made


@dataclass
class StoredStreams:
    """What streamed outputs came to.

    Attributes
    ----------
    opened
        The capture that keeps their row blocks until it is ended, in the transaction that makes them visible.
    outputs
        Output -> what its frames make together.
    empty
        Output -> frame, of those without rows.
    seconds
        What making the frames took.
    """

    opened: OpenCapture
    outputs: dict[str, AssembledOutput] = field(default_factory=dict)
    empty: dict[str, pd.DataFrame] = field(default_factory=dict)
    seconds: float = 0.0


class FrameStreamer:
    """Stores frames that follow each other, with memory for a few row blocks.

    Parameters
    ----------
    catalogue, committer
        The store.
    block_rows
        Rows of a row block.
    """

    def __init__(self, catalogue: Catalogue, committer: Committer, block_rows: int) -> None:
        self._catalogue = catalogue
        self._committer = committer
        self._block_rows = block_rows

    def store(
        self,
        version_id: int,
        name: str,
        streams: Mapping[str, Iterator[pd.DataFrame]],
        *,
        derived: bool,
    ) -> StoredStreams:
        """Store the outputs one after the other.

        Parameters
        ----------
        version_id
            The model version.
        name
            Of the stage or intermediate, for error messages.
        streams
            Output -> its frames, at least one.
        derived
            See :func:`mistique_core.frames.split_row_id`.

        Raises
        ------
        InvalidInputError
            If frames cannot be stored, differ in their columns or types, or a row id comes twice; nothing is then kept.
        Exception
            Whatever making a frame raises.
        """
        with self._catalogue.write() as connection:
            opened = open_capture(connection, version_id, json_hash({"frames": uuid.uuid4().hex}), b"{}")
        found = StoredStreams(opened)
        try:
            with StreamWrite(self._committer, opened) as write:
                count = 0
                for output, frames in streams.items():
                    count = self._store_one(output, frames, name, write, found, count, derived)
                write.flush()
            with self._catalogue.read() as connection:
                saved = list(load_numbered_blocks(connection, opened.id).values())
            found.outputs = assemble_outputs(saved, self._block_rows, name)
        except BaseException:
            self._give_up(found)
            raise
        return found

    @contextmanager
    def kept(
        self,
        version_id: int,
        name: str,
        streams: Mapping[str, Iterator[pd.DataFrame]],
        *,
        derived: bool,
    ) -> Iterator[StoredStreams]:
        """Store outputs as :meth:`store` does; let go of them if the block raises instead of making them visible."""
        found = self.store(version_id, name, streams, derived=derived)
        try:
            yield found
        except BaseException:
            self._give_up(found)
            raise

    def _give_up(self, found: StoredStreams) -> None:
        """Let go of what was stored; that this fails hides no error."""
        try:
            with self._catalogue.write() as connection:
                end_captures(connection, [found.opened.id])
        except (MistiqueError, sa.exc.SQLAlchemyError) as error:
            log.warning("what was stored is kept until garbage collection: %s", error)

    def _store_one(
        self,
        output: str,
        frames: Iterator[pd.DataFrame],
        name: str,
        write: StreamWrite,
        found: StoredStreams,
        count: int,
        derived: bool,
    ) -> int:
        """Store one output; return the number of row blocks stored by now."""
        what = _described(output, name)
        stream = FrameStream(self._block_rows, what, derived=derived)
        seen = SeenRowIds()
        met = False
        try:
            while True:
                start = time.perf_counter()
                frame = next(frames, None)
                found.seconds += time.perf_counter() - start
                if frame is None:
                    break
                is_first, met = not met, True
                ids, _ = split_row_id(frame, None, derived=derived, what=what)
                if not len(ids):
                    found.empty.update({output: frame} if is_first else {})
                    continue
                found.empty.pop(output, None)
                seen.add(np.array(ids))
                for block in stream.add(frame):
                    write.add(count, {output: block}, {})
                    count += 1
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
        if not met:
            raise InvalidInputError(f"{what} has no frames; give at least one, which may have no rows")
        seen.check(what)
        for block in stream.finish():
            write.add(count, {output: block}, {})
            count += 1
        log.info("%s: %d rows stored as they came", what, stream.rows)
        return count


def _described(output: str, name: str) -> str:
    return f"the output {output!r} of stage {name!r}" if output else f"{name!r}"
