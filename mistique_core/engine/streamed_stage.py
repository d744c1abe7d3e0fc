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
    find_capture,
    load_numbered_blocks,
    open_capture,
    saved_numbers,
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
from mistique_core.engine.streamed_outputs import added, assemble_outputs
from mistique_core.errors import InvalidInputError, MistiqueError
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
    own, own_from
        Since they do not: the capture of this try, with which no other goes on, and the row block of the input from
        which on it keeps the outputs.
    count
        Row blocks that it keeps.
    seconds
        Of loading, executing and storing, as far as no row block that is kept says so.
    hyperparameters
        Of the first rows.
    """

    name: str
    is_shared: bool
    streams: dict[str, FrameStream] = field(default_factory=dict)
    is_aligned: bool = True
    own: OpenCapture | None = None
    own_from: int = 0
    count: int = 0
    seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)
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
        key = self._key(place, plan, identity if deterministic else None, is_shared=share is not None)
        with self._catalogue.write() as connection:
            opened = open_capture(connection, place.model_version_id, key, b"{}")
            saved = saved_numbers(connection, opened.id)
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
                    self._run_window(item, plan, given, blocks, progress, write, place)
                if not progress.is_aligned:
                    rest = {output: list(_cut(stream.finish())) for output, stream in progress.streams.items()}
                    _store_unaligned(rest, progress, write)
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
            is_useless = not deterministic or (share is None and isinstance(error, NotInBlocksError))
            self._give_up(opened, progress, is_useless=is_useless)
            raise

    def _key(self, place: StagePlace, plan: StreamPlan, identity: str | None, *, is_shared: bool) -> str:
        """Return the key of the capture with which another try or task goes on; a new one without an identity."""
        who = uuid.uuid4().hex if identity is None else identity
        return json_hash({"stage": [place.name, who, plan.rows, self._block_rows, is_shared]})

    def forget(self, place: StagePlace, plan: StreamPlan, identity: str) -> None:
        """End what tasks have begun to share, because the outputs were taken over from another run."""
        with self._catalogue.write() as connection:
            key = self._key(place, plan, identity, is_shared=True)
            opened = find_capture(connection, place.model_version_id, key)
            if opened is not None:
                end_captures(connection, [opened.id])

    def _give_up(self, opened: OpenCapture, progress: _Progress, *, is_useless: bool) -> None:
        """End captures with which nobody will go on, and those that keep nothing; that this fails hides no error."""
        try:
            with self._catalogue.write() as connection:
                ended = [] if progress.own is None else [progress.own.id]
                if is_useless or not saved_numbers(connection, opened.id):
                    ended.append(opened.id)
                end_captures(connection, ended)
        except (MistiqueError, sa.exc.SQLAlchemyError) as error:
            log.warning("stage %s: what it has stored is kept until garbage collection: %s", progress.name, error)

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
        place: StagePlace,
    ) -> None:
        """Run the stage for the rows of some row blocks, and store what it gives."""
        first, end = blocks.start * self._block_rows, min(blocks.stop * self._block_rows, plan.rows)
        sources = {
            name: StoredWindow(record, first, end, self._reader, self._catalogue.read, self._block_rows)
            for name, record in plan.frames.items()
        }
        ids = np.asarray(next(iter(sources.values())).index(), dtype=np.int64)
        frames = {name: self._frame(item, plan.columns[name], source) for name, source in sources.items()}
        before, start = _read_seconds(sources), time.perf_counter()
        made = _execute(item, {**given, **frames}, progress, is_all=end - first == plan.rows)
        executed = time.perf_counter()
        executing = executed - start - (_read_seconds(sources) - before)
        if progress.streams and made.keys() != progress.streams.keys():
            raise NotInBlocksError(
                f"stage {progress.name!r} gave the outputs {_listed(made)} for rows {first} to {end - 1}, and "
                f"{_listed(progress.streams)} for those before them; let it give the same outputs for all rows"
            )
        kept = [_keeps_rows(frame, ids, output, progress.name) for output, frame in made.items()]
        was_aligned, progress.is_aligned = progress.is_aligned, progress.is_aligned and all(kept)
        if progress.is_shared and not progress.is_aligned:
            raise NotInBlocksError(
                f"stage {progress.name!r} drops rows, so that no task can know where the row blocks of another one "
                "begin; leave out blocks=, so that one task does all of them"
            )
        if was_aligned and not progress.is_aligned:
            progress.own, progress.own_from = self._own(place), blocks.start
            write.go_on_with(progress.own)
        reading, cut = _read_seconds(sources), {}
        for output, frame in made.items():
            what = f"the output {output!r} of stage {progress.name!r}" if output else f"stage {progress.name!r}"
            stream = progress.streams.setdefault(output, FrameStream(self._block_rows, what, derived=True))
            if was_aligned:
                stream.begin_at(blocks.start)
            cut[output] = list(_cut(stream.add(frame, is_whole=progress.is_aligned)))
        loading = _read_seconds(sources)
        seconds = (loading, executing, time.perf_counter() - executed - (loading - reading))
        if not progress.is_aligned:
            progress.seconds = added(progress.seconds, seconds)
            _store_unaligned(cut, progress, write)
            return
        for place_in_window, number in enumerate(blocks):
            write.add(number, {output: made[place_in_window] for output, made in cut.items()}, {"seconds": seconds})
            seconds = (0.0, 0.0, 0.0)

    def _own(self, place: StagePlace) -> OpenCapture:
        """Begin a capture with which no other try goes on."""
        with self._catalogue.write() as connection:
            key = json_hash({"stage": [place.name, uuid.uuid4().hex]})
            return open_capture(connection, place.model_version_id, key, b"{}")

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
            aligned = load_numbered_blocks(connection, opened.id)
            own = {} if progress.own is None else load_numbered_blocks(connection, progress.own.id)
            check_open(connection, opened.id)
        deterministic = item.deterministic
        total = -(-plan.rows // self._block_rows)
        if progress.is_aligned and len(aligned) < total:
            log.info("stage %s: %d of %d row blocks are stored", place.name, len(aligned), total)
            with self._catalogue.write() as connection:
                _finish_share(connection, stage_id, deterministic)
            return
        if progress.own is not None:
            aligned = {number: block for number, block in aligned.items() if number < progress.own_from}
        _check_outputs(place.name, list(aligned.values()))
        outputs = self._committer.outputs()
        seconds = progress.seconds
        try:
            made = assemble_outputs([*aligned.values(), *own.values()], self._block_rows, place.name)
        except InvalidInputError as error:
            raise NotInBlocksError(str(error)) from error
        for output, found in made.items():
            outputs.add_assembled(output, found.frame, found.stored_bytes)
            seconds = added(seconds, found.seconds)
        for output in progress.streams.keys() - made.keys():
            empty = progress.streams[output].empty
            assert empty is not None
            what = f"the output {output!r} of stage {place.name!r}"
            outputs.add_frame(output, empty, row_id=None, derived=True, what=what)
        own_captures = [] if progress.own is None else [progress.own.id]
        names = list(plan.frames)
        needs = {frame.output: item.needs(frame.output, names) for frame in outputs.frames}

        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> None:
            end_capture(connection, opened.id)
            end_captures(connection, own_captures)
            outputs.register(
                connection, unclaimed, model_version_id=place.model_version_id, stage_id=stage_id, name=place.name
            )
            finish_stage(
                connection,
                stage_id,
                StageSeconds(seconds[0], transformer_seconds, seconds[1], seconds[2] + time.perf_counter() - start),
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


def _store_unaligned(cut: Mapping[str, Sequence[StreamedBlock]], progress: _Progress, write: StreamWrite) -> None:
    """Store the row blocks of outputs that have dropped rows, each by itself, as they fill."""
    for output, blocks in cut.items():
        for block in blocks:
            write.add(progress.count, {output: block}, {})
            progress.count += 1


def _read_seconds(sources: Mapping[str, StoredWindow]) -> float:
    return sum(source.seconds for source in sources.values())


def _check_outputs(name: str, saved: Sequence[CapturedBlock]) -> None:
    """Refuse row blocks of which some have other outputs than others."""
    for block in saved[1:]:
        if block.keys() != saved[0].keys():
            raise NotInBlocksError(
                f"stage {name!r} gave the outputs {_listed(block)} for some row blocks, and {_listed(saved[0])} for "
                "others; let it give the same outputs for all rows"
            )


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
