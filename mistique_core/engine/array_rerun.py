"""Re-running stages that work on arrays, such as the layers of a network, for all rows or some (Eq. 5.3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id
from mistique_core.catalogue.stages import fitted_by_id, fitted_of_stage
from mistique_core.catalogue.tables import chunk, intermediate, stage_input
from mistique_core.catalogue.tables import fitted as fitted_table
from mistique_core.dedup import json_hash
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.lru import LruCache
from mistique_core.engine.rerun import rerun
from mistique_core.engine.stage_loader import load_stage
from mistique_core.engine.stored_array import StoredArray
from mistique_core.errors import MistiqueError, RerunError
from mistique_core.model import ArrayFunction, ArrayStage
from mistique_core.planner import TargetPlan

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
RowIds = npt.NDArray[np.int64]
_PREPARED_KEPT = 256
_BATCH_BYTES = 256 * 1024 * 1024
_LEAST_BATCH_ROWS, _MOST_BATCH_ROWS = 16, 1_000


@dataclass(frozen=True)
class _Step:
    """A stage ready to run.

    Attributes
    ----------
    name, function
        What computes it.
    inputs, outputs
        Name -> intermediate.
    row_bytes
        Of one row of all outputs.
    batch_rows
        Rows of a forward pass when it was recorded, if that is known.
    """

    name: str
    function: ArrayFunction
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    row_bytes: int
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

    def rerun(
        self,
        connection: sa.Connection,
        plan: TargetPlan,
        target: IntermediateRecord,
        row_ids: RowIds | None,
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
        frames, steps = self._steps(connection, plan)
        needed = {item for step in steps for item in step.inputs.values()}
        sources: dict[int, _Source | _Frame] = {item: _Frame(frame, ids) for item, frame in frames.items()}
        for item in needed.intersection(plan.frontier):
            sources[item] = _Source(connection, self._reader, item, ids)
        last_use = {item: place for place, step in enumerate(steps) for item in step.inputs.values()}
        recorded = steps[-1].batch_rows if row_ids is None else None
        batch_rows = _batch_rows(steps) if recorded is None else recorded
        pieces = []
        for start in range(0, max(len(ids), 1), batch_rows):
            values = {item: sources[item].take(start, start + batch_rows) for item in needed.intersection(sources)}
            for place, step in enumerate(steps):
                values.update(_run(step, values))
                for item in step.inputs.values():
                    if last_use[item] == place and item != target.ref.id:
                        values.pop(item, None)
            pieces.append(values[target.ref.id])
        return ids, pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _steps(self, connection: sa.Connection, plan: TargetPlan) -> tuple[dict[int, pd.DataFrame], list[_Step]]:
        """Return the stages that work on arrays, ready to run, and what those before them make as frames."""
        frames: dict[int, pd.DataFrame] = {}
        steps: list[_Step] = []
        for position, stage_id in enumerate(plan.stages):
            name, stage = load_stage(connection, stage_id)
            if not isinstance(stage, ArrayStage):
                if steps:
                    raise RerunError(f"stage {name!r} lies between layers and is none; use strategy='read'")
                frames.update(self._run_frames(connection, plan, position))
                continue
            given = connection.execute(sa.select(stage_input).where(stage_input.c.stage_id == stage_id)).all()
            inputs = {row.name: int(row.intermediate_id) for row in given if row.intermediate_id is not None}
            if len(inputs) < len(given):
                raise RerunError(f"an input of layer {name!r} was deleted; it can no longer be re-run")
            made = connection.execute(sa.select(intermediate).where(intermediate.c.stage_id == stage_id)).all()
            outputs = {row.output: int(row.id) for row in made}
            row_bytes = sum(row.logical_bytes // max(row.n_rows, 1) for row in made)
            prepared = self._prepare(connection, stage_id, stage)
            steps.append(_Step(name, prepared, inputs, outputs, row_bytes, stage.batch_rows))
        return frames, steps

    def _run_frames(self, connection: sa.Connection, plan: TargetPlan, position: int) -> dict[int, pd.DataFrame]:
        """Run one stage before the network, with all rows, from the frontier of the plan."""
        stage_id = plan.stages[position]
        made = connection.execute(sa.select(intermediate.c.id).where(intermediate.c.stage_id == stage_id)).scalars()
        found = {}
        for item in made:
            record = intermediate_by_id(connection, int(item))
            part = replace(plan, intermediate=int(item), stages=plan.stages[: position + 1])
            found[int(item)] = rerun(connection, part, record, self._reader).frame
        return found

    def _prepare(self, connection: sa.Connection, stage_id: int, stage: ArrayStage) -> ArrayFunction:
        query = (
            sa.select(fitted_table.c.output, chunk.c.address)
            .join(chunk, chunk.c.id == fitted_table.c.chunk_id)
            .where(fitted_table.c.stage_id == stage_id)
            .order_by(fitted_table.c.output)
        )
        weights = [f"{row.output}:{bytes(row.address).hex()}" for row in connection.execute(query)]
        key = (stage.import_path(), json_hash(stage.params()), *weights)
        function = self._prepared.get(key)
        if function is None:
            learned = {
                record.ref.name: self._reader.fitted(connection, fitted_by_id(connection, record.ref.id))
                for record in fitted_of_stage(connection, stage_id)
            }
            function = stage.prepare(learned)
            self._prepared.put(key, function)
        return function


class _Source:
    """Rows of a stored intermediate."""

    def __init__(self, connection: sa.Connection, reader: FrameReader, item: int, ids: RowIds) -> None:
        record = intermediate_by_id(connection, item)
        self._array = StoredArray(reader, lambda: nullcontext(connection), record)
        self._positions = reader.row_index(connection, record).find(ids)[0]

    def take(self, start: int, stop: int) -> Array:
        """Return the wanted rows from `start` to `stop`."""
        return self._array.take(self._positions[start:stop])


class _Frame:
    """Rows of an intermediate that was made as a frame."""

    def __init__(self, frame: pd.DataFrame, ids: RowIds) -> None:
        self._frame = frame
        self._ids = ids

    def take(self, start: int, stop: int) -> Array:
        """Return the wanted rows from `start` to `stop`."""
        return self._frame.loc[self._ids[start:stop]].to_numpy()


def _batch_rows(steps: list[_Step]) -> int:
    """Return how many rows to run at a time, so that what they are in all layers stays small."""
    fitting = _BATCH_BYTES // max(sum(step.row_bytes for step in steps), 1)
    return max(_LEAST_BATCH_ROWS, min(_MOST_BATCH_ROWS, fitting))


def _run(step: _Step, values: Mapping[int, Array]) -> dict[int, Array]:
    try:
        made = step.function({name: values[item] for name, item in step.inputs.items()})
    except MistiqueError:
        raise
    except Exception as error:  # whatever a layer raises
        raise RerunError(f"layer {step.name!r} failed when re-run: {type(error).__name__}: {error}") from error
    return {item: np.asarray(made[output]) for output, item in step.outputs.items()}
