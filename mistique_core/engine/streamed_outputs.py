"""Outputs whose row blocks are in the catalogue, put together; and storing frames that follow each other as such."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

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
from mistique_core.errors import InvalidInputError
from mistique_core.frames import split_row_id

log = logging.getLogger(__name__)


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
        Of loading its inputs and of executing, as far as its row blocks say so.
    """

    frame: AssembledFrame
    stored_bytes: int
    seconds: tuple[float, float]


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
        seconds = [item.facts["seconds"] for item in rows if "seconds" in item.facts]
        made[output] = AssembledOutput(
            assemble(blocks, block_rows, _described(output, name)),
            sum(item.stored_bytes for item in rows),
            (sum(item[0] for item in seconds), sum(item[1] for item in seconds)),
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
        row_id: str | None = None,
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
        row_id, derived
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
                    count = self._store_one(output, frames, name, write, found, count, row_id, derived)
                write.flush()
            with self._catalogue.read() as connection:
                saved = list(load_numbered_blocks(connection, opened.id).values())
            found.outputs = assemble_outputs(saved, self._block_rows, name)
        except BaseException:
            self.give_up(found)
            raise
        return found

    def give_up(self, found: StoredStreams) -> None:
        """Let go of what was stored: it will not become visible."""
        with self._catalogue.write() as connection:
            end_captures(connection, [found.opened.id])

    def _store_one(
        self,
        output: str,
        frames: Iterator[pd.DataFrame],
        name: str,
        write: StreamWrite,
        found: StoredStreams,
        count: int,
        row_id: str | None,
        derived: bool,
    ) -> int:
        """Store one output; return the number of row blocks stored by now."""
        what = _described(output, name)
        stream = FrameStream(self._block_rows, what, row_id=row_id, derived=derived)
        seen = SeenRowIds()
        first: pd.DataFrame | None = None
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            found.seconds += time.perf_counter() - start
            if frame is None:
                break
            first = frame if first is None else first
            ids, _ = split_row_id(frame, row_id, derived=derived, what=what)
            seen.add(np.asarray(ids))
            for block in stream.add(frame):
                write.add(count, {output: block}, {})
                count += 1
        if first is None:
            raise InvalidInputError(f"{what} has no frames; give at least one, which may have no rows")
        seen.check(what)
        for block in stream.finish():
            write.add(count, {output: block}, {})
            count += 1
        if not stream.rows:
            found.empty[output] = first
        log.info("%s: %d rows stored as they came", what, stream.rows)
        return count


def _described(output: str, name: str) -> str:
    return f"the output {output!r} of stage {name!r}" if output else f"{name!r}"
