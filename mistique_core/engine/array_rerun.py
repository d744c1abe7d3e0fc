"""Re-running stages that work on arrays, such as the layers of a network, for all rows or some (Eq. 5.3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.catalogue.stages import fitted_by_id, fitted_of_stage
from mistique_core.catalogue.tables import chunk, intermediate
from mistique_core.catalogue.tables import fitted as fitted_table
from mistique_core.cost import StageMeasurement, batch_rows
from mistique_core.dedup import json_hash
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.lru import LruCache
from mistique_core.engine.rerun import rerun
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.shared_work import SharedWork
from mistique_core.engine.stage_loader import load_stage
from mistique_core.engine.stored_array import StoredArray
from mistique_core.errors import MistiqueError, RerunError
from mistique_core.model import ArrayFunction, ArrayStage
from mistique_core.planner import TargetPlan

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
RowIds = npt.NDArray[np.int64]
_PREPARED_KEPT = 256


@dataclass(frozen=True)
class _Step:
    """A stage ready to run.

    Attributes
    ----------
    stage
        Its row in the catalogue.
    name, function
        What computes it.
    inputs, outputs
        Name -> intermediate.
    row_bytes
        Of one row of all outputs.
    batch_rows
        Rows of a forward pass when it was recorded, if that is known.
    load_seconds
        Preparing it; ``None`` where it was prepared already.
    """

    stage: int
    name: str
    function: ArrayFunction
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    row_bytes: int
    load_seconds: float | None
    batch_rows: int | None = None


class ArrayRerunner:
    """Re-runs plans whose last stages work on arrays; keeps rebuilt layers for the next query.

    Parameters
    ----------
    reader
        Reads the frontier.
    """

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._prepared: LruCache[tuple[str, ...], ArrayFunction] = LruCache(_PREPARED_KEPT)
        self._loaded: LruCache[int, bool] = LruCache(_PREPARED_KEPT)

    def is_loaded(self, stage_id: int) -> bool:
        """Whether a layer was rebuilt for an earlier query, so that the next one need not."""
        return self._loaded.get(stage_id) is not None

    def rerun(
        self,
        connection: sa.Connection,
        plan: TargetPlan,
        target: IntermediateRecord,
        row_ids: RowIds | None,
        tally: RerunTally | None = None,
        shared: SharedWork | None = None,
    ) -> tuple[RowIds, Array]:
        """Return rows of an intermediate as the network gives them, before any scheme.

        All rows are run in batches as they were recorded, which gives the same bits again; some rows in batches of
        another length may differ in the last bits. Nothing is compared with what was recorded.

        Parameters
        ----------
        connection
            A connection.
        plan
            How to obtain them.
        target
            The intermediate.
        row_ids
            The wanted rows, int64 (n,), all of them in the intermediate; ``None`` for all.
        tally
            Told what the layers took.
        shared
            Keeps the rows for other plans.

        Returns
        -------
        tuple
            Row ids, int64 (n,), and values of shape ``(n, *map_shape, units)``.

        Raises
        ------
        RerunError
            If a stage cannot be rebuilt or fails.
        """
        ids = self._reader.row_index(connection, target).ids if row_ids is None else row_ids
        tally = RerunTally() if tally is None else tally
        as_recorded = row_ids is None
        pieces = list(self.batches(connection, plan, target, ids, tally, as_recorded=as_recorded, shared=shared))
        found = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        if shared is not None:
            shared.add_array(target.ref.id, ids, found)
        return ids, found

    def batches(
        self,
        connection: sa.Connection,
        plan: TargetPlan,
        target: IntermediateRecord,
        ids: RowIds,
        tally: RerunTally,
        *,
        rows: int | None = None,
        as_recorded: bool = False,
        shared: SharedWork | None = None,
    ) -> Iterator[Array]:
        """Yield rows of an intermediate batch by batch, ``(n, *map_shape, units)``; else as :meth:`rerun`.

        Parameters
        ----------
        connection, plan, target, shared
            See :meth:`rerun`.
        ids
            The wanted rows, int64 (n,), in order; without any there is one batch of none.
        tally
            Told what the layers took, after the last batch.
        rows
            Rows of a batch; the last one may have fewer. ``None`` for as many as memory is meant for.
        as_recorded
            Whether the length of a batch that was recorded, if one was, is taken in place of `rows`.
        """
        frames, steps = self._steps(connection, plan, tally)
        needed = {item for step in steps for item in step.inputs.values()}
        sources: dict[int, _Source | _Frame | _Kept] = {item: _Frame(frame, ids) for item, frame in frames.items()}
        for item in needed.intersection(plan.frontier):
            kept = None if shared is None else shared.array(item, ids)
            sources[item] = _Source(connection, self._reader, item, ids) if kept is None else _Kept(kept)
        last_use = {item: place for place, step in enumerate(steps) for item in step.inputs.values()}
        recorded = steps[-1].batch_rows if as_recorded else None
        at_once = recorded or rows or batch_rows([step.row_bytes for step in steps])
        times = [_StepTime(step) for step in steps]
        for start in range(0, max(len(ids), 1), at_once):
            with tally.reading() as read:
                stop = start + at_once
                values = {item: sources[item].take(start, stop, read) for item in needed.intersection(sources)}
            for place, step in enumerate(steps):
                values.update(times[place].run(values, min(at_once, len(ids) - start)))
                for item in step.inputs.values():
                    if last_use[item] == place and item != target.ref.id:
                        values.pop(item, None)
            yield values.pop(target.ref.id)
        tally.stages += [taken.measured() for taken in times]

    def _steps(
        self, connection: sa.Connection, plan: TargetPlan, tally: RerunTally
    ) -> tuple[dict[int, pd.DataFrame], list[_Step]]:
        """Return the stages that work on arrays, ready to run, and what those before them make as frames."""
        frames: dict[int, pd.DataFrame] = {}
        steps: list[_Step] = []
        for position, stage_id in enumerate(plan.stages):
            name, stage = load_stage(connection, stage_id)
            if not isinstance(stage, ArrayStage):
                if steps:
                    raise RerunError(f"stage {name!r} lies between layers and is none; use strategy='read'")
                frames.update(self._run_frames(connection, plan, position, tally))
                continue
            given = connection.execute(sa.select(stage_input).where(stage_input.c.stage_id == stage_id)).all()
            inputs = {row.name: int(row.intermediate_id) for row in given if row.intermediate_id is not None}
            if len(inputs) < len(given):
                raise RerunError(f"an input of layer {name!r} was deleted; it can no longer be re-run")
            made = connection.execute(sa.select(intermediate).where(intermediate.c.stage_id == stage_id)).all()
            outputs = {row.output: int(row.id) for row in made}
            row_bytes = sum(row.logical_bytes // max(row.n_rows, 1) for row in made)
            function, seconds = self._prepare(connection, stage_id, stage)
            steps.append(_Step(stage_id, name, function, inputs, outputs, row_bytes, seconds, stage.batch_rows))
        return frames, steps

    def _run_frames(
        self, connection: sa.Connection, plan: TargetPlan, position: int, tally: RerunTally
    ) -> dict[int, pd.DataFrame]:
        """Run one stage before the network, with all rows, from the frontier of the plan."""
        stage_id = plan.stages[position]
        made = connection.execute(sa.select(intermediate.c.id).where(intermediate.c.stage_id == stage_id)).scalars()
        found = {}
        for item in made:
            record = intermediate_by_id(connection, int(item))
            part = replace(plan, intermediate=int(item), stages=plan.stages[: position + 1])
            found[int(item)] = rerun(connection, part, record, self._reader, tally).frame
        return found

    def _prepare(
        self, connection: sa.Connection, stage_id: int, stage: ArrayStage
    ) -> tuple[ArrayFunction, float | None]:
        """Return what computes a layer, and the seconds of rebuilding it; ``None`` where it was kept rebuilt."""
        start = time.perf_counter()
        query = (
            sa.select(fitted_table.c.output, chunk.c.address)
            .join(chunk, chunk.c.id == fitted_table.c.chunk_id)
            .where(fitted_table.c.stage_id == stage_id)
            .order_by(fitted_table.c.output)
        )
        weights = [f"{row.output}:{bytes(row.address).hex()}" for row in connection.execute(query)]
        key = (stage.import_path(), json_hash(stage.params()), *weights)
        function = self._prepared.get(key)
        self._loaded.put(stage_id, True)
        seconds = None
        if function is None:
            learned = {
                record.ref.name: self._reader.fitted(connection, fitted_by_id(connection, record.ref.id))
                for record in fitted_of_stage(connection, stage_id)
            }
            function = stage.prepare(learned)
            self._prepared.put(key, function)
            seconds = time.perf_counter() - start
        return function, seconds


class _Source:
    """Rows of a stored intermediate."""

    def __init__(self, connection: sa.Connection, reader: FrameReader, item: int, ids: RowIds) -> None:
        record = intermediate_by_id(connection, item)
        self._array = StoredArray(reader, lambda: nullcontext(connection), record)
        self._positions = reader.row_index(connection, record).find(ids)[0]

    def take(self, start: int, stop: int, tally: ReadTally) -> Array:
        """Return the wanted rows from `start` to `stop`."""
        return self._array.take(self._positions[start:stop], tally)


class _Frame:
    """Rows of an intermediate that was made as a frame."""

    def __init__(self, frame: pd.DataFrame, ids: RowIds) -> None:
        self._frame = frame
        self._ids = ids

    def take(self, start: int, stop: int, tally: ReadTally) -> Array:
        """Return the wanted rows from `start` to `stop`."""
        return self._frame.loc[self._ids[start:stop]].to_numpy()


class _Kept:
    """Rows that another re-run of the same batch has made."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def take(self, start: int, stop: int, tally: ReadTally) -> Array:
        """Return the wanted rows from `start` to `stop`."""
        return self._values[start:stop]


class _StepTime:
    """What the calls of one layer took."""

    def __init__(self, step: _Step) -> None:
        self._step = step
        self._load_seconds = step.load_seconds
        self._seconds = 0.0
        self._rows = self._calls = 0

    def run(self, values: Mapping[int, Array], rows: int) -> dict[int, Array]:
        """Return the outputs for a batch; a layer that was just rebuilt is traced by its first row before."""
        if self._load_seconds is not None and not self._calls:
            start = time.perf_counter()
            _run(self._step, {item: values[item][:1] for item in self._step.inputs.values()})
            self._load_seconds += time.perf_counter() - start
        start = time.perf_counter()
        made = _run(self._step, values)
        self._seconds += time.perf_counter() - start
        self._rows += rows
        self._calls += 1
        return made

    def measured(self) -> StageMeasurement:
        """Return the measurement of all calls."""
        return StageMeasurement(
            self._step.stage, self._load_seconds, self._seconds, self._rows, self._calls, whole=False
        )


def _run(step: _Step, values: Mapping[int, Array]) -> dict[int, Array]:
    try:
        made = step.function({name: values[item] for name, item in step.inputs.items()})
    except MistiqueError:
        raise
    except Exception as error:  # whatever a layer raises
        raise RerunError(f"layer {step.name!r} failed when re-run: {type(error).__name__}: {error}") from error
    return {item: np.asarray(made[output]) for output, item in step.outputs.items()}
