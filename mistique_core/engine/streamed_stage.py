"""Running a row-wise stage by row blocks: over tables larger than memory, and by several tasks at once.

A row of the output depends on the same row of the inputs only, so some rows at a time give what all rows would. Row
blocks are stored as they come and kept in the catalogue (:mod:`mistique_core.catalogue.captures`) until all of them are
there; one transaction then makes the outputs visible. A try that was killed goes on where it ended.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.captures import (
    CapturedBlock,
    CaptureEndedError,
    OpenCapture,
    check_open,
    end_capture,
    end_captures,
    load_numbered_blocks,
    open_capture,
)
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import (
    ColumnRecord,
)
from mistique_core.catalogue.stages import StageSeconds, find_finished, finish_stage, fitted_by_id
from mistique_core.config import StoreConfig
from mistique_core.dedup import json_hash
from mistique_core.engine.commit import Committer, Pending
from mistique_core.engine.frame_reader import FrameReader, is_units
from mistique_core.engine.frame_stream import FrameStream, StreamedBlock
from mistique_core.engine.stage_place import StagePlace
from mistique_core.engine.stored_window import StoredWindow
from mistique_core.engine.stream_plan import StreamPlan, plan_stream
from mistique_core.engine.stream_write import StreamWrite
from mistique_core.engine.streamed_outputs import assemble_outputs
from mistique_core.errors import InvalidInputError
from mistique_core.frames import LazyFrame, split_row_id
from mistique_core.model import BlockShare, Ref, Stage

log = logging.getLogger(__name__)

RowIds = npt.NDArray[np.int64]


class NotInBlocksError(InvalidInputError):
    """A stage that calls itself row-wise cannot be run by row blocks after all."""


@dataclass
class _Progress:
    """What a stage has done here.

    Attributes
    ----------
    name
        Of the stage.
    is_shared
        Whether other tasks do other row blocks.
    streams
        Output -> what cuts its frames into row blocks.
    is_aligned
        Whether the outputs have the rows of the inputs so far, so that row blocks begin where theirs do.
    count
        Row blocks stored since they do not.
    seconds
        Of loading and executing, as far as no row block that is kept says so.
    hyperparameters
        Of the first rows.
    """

    name: str
    is_shared: bool
    streams: dict[str, FrameStream] = field(default_factory=dict)
    is_aligned: bool = True
    count: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)
    hyperparameters: dict[str, Any] = field(default_factory=dict)


class StageStreamer:
    """Runs row-wise stages by row blocks against one store."""

    def __init__(self, catalogue: Catalogue, committer: Committer, reader: FrameReader, config: StoreConfig) -> None:
        self._catalogue = catalogue
        self._committer = committer
        self._reader = reader
        self._block_rows = config.block_rows
        self._stream_bytes = config.stream_bytes

    def plan(self, item: Stage, inputs: Mapping[str, Ref], share: BlockShare | None) -> StreamPlan | None:
        """Return how to run a stage by row blocks; see :func:`plan_stream`."""
        with self._catalogue.read() as connection:
            return plan_stream(connection, item, inputs, share, self._block_rows, self._stream_bytes)

    def run(
        self,
        place: StagePlace,
        stage_id: int,
        item: Stage,
        plan: StreamPlan,
        identity: str | None,
        share: BlockShare | None,
    ) -> int:
        """Run the stage, and record its outputs once all row blocks are there.

        Parameters
        ----------
        place, stage_id, item, plan
            The stage.
        identity
            Its fingerprint; ``None`` where it has none.
        share
            Row blocks to do; ``None`` for all.

        Returns
        -------
        int
            The stage that has the outputs: this one, or that of another task; this one without outputs while row
            blocks are left to others.

        Raises
        ------
        NotInBlocksError
            If what it gives shows that it cannot be run by row blocks.
        InvalidInputError
            If there are no such row blocks, or the stage gives other values each time and is to be shared.
        """
        deterministic = item.deterministic
        if share is not None and not (deterministic and identity is not None):
            raise InvalidInputError(
                f"{item.label()} may give other values each time, so that several tasks cannot share its row blocks; "
                "fix its seed, or leave out blocks="
            )
        total = -(-plan.rows // self._block_rows)
        wanted = range(total) if share is None else share.of(total, f"the input of {place.name}")
        again = [identity] if deterministic and identity is not None else [uuid.uuid4().hex]
        opened, saved = self._open(
            place.model_version_id,
            json_hash({"stage": [place.name, *again, plan.rows, self._block_rows, share is not None]}),
        )
        left = [number for number in wanted if number not in saved]
        log.info(
            "stage %s runs by row blocks: %d of %d to do, %d rows at a time",
            place.name, len(left), total, plan.window_rows,
        )  # fmt: skip
        progress = _Progress(place.name, share is not None)
        try:
            given, transformer_seconds = self._fitted(plan)
            with StreamWrite(self._committer, opened) as write:
                for blocks in _windows(left, plan.window_rows // self._block_rows):
                    self._run_window(item, plan, given, blocks, progress, write)
                if not progress.is_aligned:
                    rest = {output: _cut(stream.finish()) for output, stream in progress.streams.items()}
                    _store_unaligned(rest, progress, write, total)
                write.flush()
            self._finish(place, stage_id, item, plan, opened, identity, progress, transformer_seconds)
            return stage_id
        except CaptureEndedError:
            other = None if identity is None else self.finished_by_others(place, stage_id, identity)
            if other is None:
                raise
            log.info("stage %s: other tasks have stored the rest", place.name)
            return other
        except BaseException as error:
            if share is None and (isinstance(error, NotInBlocksError) or not deterministic):
                self._give_up(opened)  # nobody will go on with it
            raise

    def _give_up(self, opened: OpenCapture) -> None:
        with self._catalogue.write() as connection:
            end_captures(connection, [opened.id])

    def _open(self, version_id: int, key: str) -> tuple[OpenCapture, dict[int, CapturedBlock]]:
        """Begin a capture, or go on with it; one that dropped rows before it was interrupted begins anew."""
        with self._catalogue.write() as connection:
            opened = open_capture(connection, version_id, key, b"{}")
            saved = load_numbered_blocks(connection, opened.id)
            if all(rows.facts.get("is_aligned", True) for block in saved.values() for rows in block.values()):
                return opened, saved
            end_captures(connection, [opened.id])
            return open_capture(connection, version_id, key, b"{}"), {}

    def _fitted(self, plan: StreamPlan) -> tuple[dict[str, Any], float]:
        start = time.perf_counter()
        with self._catalogue.read() as connection:
            values = {
                name: self._reader.fitted(connection, fitted_by_id(connection, ref.id))
                for name, ref in plan.fitted.items()
            }
        return values, time.perf_counter() - start

    def _run_window(
        self,
        item: Stage,
        plan: StreamPlan,
        given: Mapping[str, Any],
        blocks: range,
        progress: _Progress,
        write: StreamWrite,
    ) -> None:
        """Run the stage for the rows of some row blocks, and store what it gives."""
        first, end = blocks.start * self._block_rows, min(blocks.stop * self._block_rows, plan.rows)
        sources = {
            name: StoredWindow(record, first, end, self._reader, self._catalogue.read, self._block_rows)
            for name, record in plan.frames.items()
        }
        ids = np.asarray(next(iter(sources.values())).index(), dtype=np.int64)
        frames = {name: self._frame(item, plan.columns[name], source) for name, source in sources.items()}
        before = sum(source.seconds for source in sources.values())
        start = time.perf_counter()
        made = _execute(item, {**given, **frames}, progress, is_all=end - first == plan.rows)
        loading = sum(source.seconds for source in sources.values())
        seconds = [loading, time.perf_counter() - start - (loading - before)]
        if progress.streams and made.keys() != progress.streams.keys():
            raise NotInBlocksError(
                f"stage {progress.name!r} gave the outputs {_listed(made)} for rows {first} to {end - 1}, and "
                f"{_listed(progress.streams)} for those before them; let it give the same outputs for all rows"
            )
        was_aligned = progress.is_aligned
        kept = [_keeps_rows(frame, ids, output, progress.name) for output, frame in made.items()]
        progress.is_aligned &= all(kept)
        if progress.is_shared and not progress.is_aligned:
            raise NotInBlocksError(
                f"stage {progress.name!r} drops rows, so that no task can know where the row blocks of another one "
                "begin; leave out blocks=, so that one task does all of them"
            )
        cut: dict[str, Iterator[StreamedBlock]] = {}
        for output, frame in made.items():
            what = f"the output {output!r} of stage {progress.name!r}" if output else f"stage {progress.name!r}"
            stream = progress.streams.setdefault(output, FrameStream(self._block_rows, what, derived=True))
            if was_aligned:
                stream.begin_at(blocks.start)
            cut[output] = _cut(stream.add(frame, is_whole=progress.is_aligned))
        if not progress.is_aligned:
            progress.seconds = (progress.seconds[0] + seconds[0], progress.seconds[1] + seconds[1])
            _store_unaligned(cut, progress, write, -(-plan.rows // self._block_rows))
            return
        for number in blocks:
            write.add(number, {output: next(stream) for output, stream in cut.items()}, {"seconds": seconds})
            seconds = [0.0, 0.0]

    def _frame(self, item: Stage, columns: Sequence[ColumnRecord], source: StoredWindow) -> pd.DataFrame:
        """Return the rows of an input: read column by column when it is touched, where the stage may have that."""
        if item.lazy and not any(map(is_units, columns)):
            return LazyFrame.over(source, {column.name: column for column in columns})
        values = source.read(columns)
        return pd.DataFrame(
            {column.name: item for column, item in zip(columns, values, strict=True)}, index=source.index()
        )

    def _finish(
        self,
        place: StagePlace,
        stage_id: int,
        item: Stage,
        plan: StreamPlan,
        opened: OpenCapture,
        identity: str | None,
        progress: _Progress,
        transformer_seconds: float,
    ) -> None:
        """Record the stage: with its outputs if all row blocks are there, else as one that did its share."""
        start = time.perf_counter()
        with self._catalogue.read() as connection:
            check_open(connection, opened.id)
            saved = list(load_numbered_blocks(connection, opened.id).values())
        deterministic = item.deterministic
        total = -(-plan.rows // self._block_rows)
        if progress.is_aligned and len(saved) < total:
            log.info("stage %s: %d of %d row blocks are stored", place.name, len(saved), total)
            with self._catalogue.write() as connection:
                _finish_share(connection, stage_id, deterministic)
            return
        outputs = self._committer.outputs()
        loading, executing = progress.seconds
        try:
            made = assemble_outputs(saved, self._block_rows, place.name)
        except InvalidInputError as error:
            raise NotInBlocksError(str(error)) from error
        for output, item_made in made.items():
            outputs.add_assembled(output, item_made.frame, item_made.stored_bytes)
            loading, executing = loading + item_made.seconds[0], executing + item_made.seconds[1]
        if not outputs.frames:
            raise NotInBlocksError(f"stage {place.name!r} gave no rows")
        names = list(plan.frames)
        needs = {frame.output: item.needs(frame.output, names) for frame in outputs.frames}

        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> None:
            end_capture(connection, opened.id)
            outputs.register(
                connection, unclaimed, model_version_id=place.model_version_id, stage_id=stage_id, name=place.name
            )
            finish_stage(
                connection,
                stage_id,
                StageSeconds(loading, transformer_seconds, executing, time.perf_counter() - start),
                fingerprint=identity if deterministic else None,
                deterministic=deterministic,
                hyperparameters=progress.hyperparameters,
                metrics={},
                metrics_intermediate=None,
                needs=needs,
                facts=item.facts(),
            )

        self._committer.commit([Pending(outputs, register)])

    def finished_by_others(self, place: StagePlace, stage_id: int, identity: str) -> int | None:
        """Return the stage that has made the outputs for this run already, if one has, and record that it did."""
        with self._catalogue.write() as connection:
            found = find_finished(connection, place.model_version_id, place.name, identity)
            if found is not None:
                _finish_share(connection, stage_id, deterministic=True)
            return found


def _finish_share(connection: sa.Connection, stage_id: int, deterministic: bool) -> None:
    """Record the success of a stage whose outputs belong to another task's."""
    finish_stage(
        connection,
        stage_id,
        StageSeconds(0.0, 0.0, 0.0, 0.0),
        fingerprint=None,
        deterministic=deterministic,
        hyperparameters={},
        metrics={},
        metrics_intermediate=None,
        needs={},
    )


def _windows(left: Sequence[int], most: int) -> Iterator[range]:
    """Yield row blocks that follow each other, at most `most` at a time."""
    start = 0
    for place in range(1, len(left) + 1):
        if place == len(left) or left[place] != left[place - 1] + 1 or place - start == most:
            yield range(left[start], left[place - 1] + 1)
            start = place


def _execute(item: Stage, inputs: Mapping[str, Any], progress: _Progress, *, is_all: bool) -> dict[str, pd.DataFrame]:
    """Run the stage for some rows, or as a whole where these are all; return its frames."""
    if item.outputs in (("",), ("*",)) and not is_all:
        return {"": item.execute_rows("", inputs, {})}
    result = item.execute(inputs)
    result.gather()
    others = [*result.fitted, *result.metrics]
    if others:
        raise NotInBlocksError(
            f"stage {progress.name!r} gives {', '.join(others)} besides frames, which would be those of some rows; "
            "compute them in a stage of their own"
        )
    if not progress.streams:
        progress.hyperparameters = dict(result.hyperparameters)
    return result.frames


def _store_unaligned(
    cut: Mapping[str, Iterator[StreamedBlock]], progress: _Progress, write: StreamWrite, total: int
) -> None:
    """Store the row blocks of outputs that have dropped rows, each by itself, as they fill."""
    for output, stream in cut.items():
        for block in stream:
            write.add(total + progress.count, {output: block}, {"is_aligned": False})
            progress.count += 1


def _cut(blocks: Iterator[StreamedBlock]) -> Iterator[StreamedBlock]:
    """Yield row blocks; that they cannot be made of these rows is no fault of the stage as a whole."""
    try:
        yield from blocks
    except InvalidInputError as error:
        raise NotInBlocksError(str(error)) from error


def _keeps_rows(frame: pd.DataFrame, ids: RowIds, output: str, name: str) -> bool:
    """Return whether a frame has all rows of the inputs; if not, it must have some of them in their order."""
    found, _ = split_row_id(frame, None, derived=True, what=f"the output {output!r} of stage {name!r}")
    if np.array_equal(found, ids):
        return True
    places = pd.Index(ids).get_indexer(pd.Index(found))
    if (places < 0).any() or (np.diff(places) <= 0).any():
        raise NotInBlocksError(
            f"stage {name!r} gives rows in another order than they came in, or others than came in; let it keep the "
            "order of its input, or leave out row_wise=True"
        )
    return False


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
