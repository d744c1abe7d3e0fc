"""The PipelineExecutor: re-run recorded stages from materialized ancestors, learning nothing again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import version_records
from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.catalogue.stages import fitted_by_id, fitted_of_stage
from mistique_core.catalogue.tables import intermediate
from mistique_core.catalogue.tables import stage as stage_table
from mistique_core.cost import StageMeasurement
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.shared_work import SharedWork
from mistique_core.engine.stage_loader import load_stage
from mistique_core.errors import CorruptPartitionError, MistiqueError, RerunError, RerunMismatchError
from mistique_core.frames import ROW_ID, split_row_id
from mistique_core.model import Need
from mistique_core.planner import Step, TargetPlan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rerun:
    """What a re-run made.

    Attributes
    ----------
    frame
        The target, index ``row_id``, with exactly the recorded content.
    block_rows
        Rows of the row blocks in which it is recorded.
    learned_again
        Output -> fitted object, where the stored one could not be read and was learned anew.
    """

    frame: pd.DataFrame
    block_rows: int
    learned_again: dict[str, Any]


def rerun(
    connection: sa.Connection,
    plan: TargetPlan,
    target: IntermediateRecord,
    reader: FrameReader,
    tally: RerunTally | None = None,
    shared: SharedWork | None = None,
) -> Rerun:
    """Execute a plan's stages; `tally` is told what they took, and `shared` keeps what they make for other plans.

    Raises
    ------
    RerunError
        If a stage cannot be rebuilt or fails.
    RerunMismatchError
        If the result is not what was recorded.
    """
    tally = RerunTally() if tally is None else tally
    with tally.reading() as read:
        made = {item: _read(connection, item, reader, read, shared) for item in plan.frontier}
    learned_again: dict[str, Any] = {}
    for stage_id in plan.stages:
        made.update(_run_stage(connection, stage_id, made, reader, learned_again, tally))
    if shared is not None:
        shared.add_frames(made)
    frame = made[target.ref.id]
    block_rows = version_records(connection, [target.row_id_version.id])[0].block_rows
    verify(frame, target, block_rows)
    return Rerun(frame, block_rows, learned_again)


def _read(
    connection: sa.Connection, item: int, reader: FrameReader, tally: ReadTally, shared: SharedWork | None
) -> pd.DataFrame:
    kept = None if shared is None else shared.frame(item)
    return reader.frame(connection, intermediate_by_id(connection, item), tally) if kept is None else kept


def _run_stage(
    connection: sa.Connection,
    stage_id: int,
    made: dict[int, pd.DataFrame],
    reader: FrameReader,
    learned_again: dict[str, Any],
    tally: RerunTally,
) -> dict[int, pd.DataFrame]:
    start = time.perf_counter()
    name, stage = load_stage(connection, stage_id)
    inputs: dict[str, Any] = {}
    for row in connection.execute(sa.select(stage_input).where(stage_input.c.stage_id == stage_id)):
        if row.fitted_id is not None:
            inputs[row.name] = reader.fitted(connection, fitted_by_id(connection, row.fitted_id))
        elif row.intermediate_id is None:
            raise RerunError(f"input {row.name!r} of stage {name!r} was deleted; the stage can no longer be re-run")
        else:
            if row.intermediate_id not in made:
                raise RerunError(f"the plan left out input {row.name!r} of stage {name!r}; use strategy='read'")
            inputs[row.name] = made[row.intermediate_id].copy(deep=False)
    learned = _learned(connection, stage_id, name, reader)
    log.info("re-running stage %s (%s)", name, stage.label())
    loaded = time.perf_counter()
    try:
        result = stage.execute(inputs, learned or None)
        result.gather()
        if learned is None:
            learned_again.update(result.fitted)
    except MistiqueError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise RerunError(f"stage {name!r} failed when re-run: {type(error).__name__}: {error}") from error
    outputs = {}
    for row in connection.execute(sa.select(intermediate).where(intermediate.c.stage_id == stage_id)):
        if row.output not in result.frames:
            raise RerunError(f"stage {name!r} did not return its output {row.output!r} when re-run")
        outputs[int(row.id)] = _indexed(result.frames[row.output], derived=not stage.is_source, name=name)
    _count(tally, stage_id, start, loaded, outputs, whole=True)
    return outputs


def _count(
    tally: RerunTally, stage_id: int, start: float, loaded: float, made: Mapping[int, pd.DataFrame], *, whole: bool
) -> None:
    rows = max((len(frame) for frame in made.values()), default=0)
    seconds = time.perf_counter() - loaded
    tally.stages.append(StageMeasurement(stage_id, loaded - start, seconds, rows, 1, whole))


def rerun_rows(
    connection: sa.Connection,
    plan: TargetPlan,
    target: IntermediateRecord,
    reader: FrameReader,
    row_ids: npt.NDArray[np.int64],
    tally: RerunTally | None = None,
) -> pd.DataFrame:
    """Execute a plan's stages for some rows only.

    Nothing is compared with what was recorded, whose addresses are those of whole columns; that a stage gives
    the same bits for a few rows is what it declares (:attr:`mistique_core.model.Stage.row_wise`).

    Parameters
    ----------
    connection
        A connection.
    plan
        One made for rows (:attr:`TargetPlan.by_rows`).
    target
        The intermediate.
    reader
        Reads the frontier.
    row_ids
        The wanted rows, int64 (n,), all of them in the intermediate.
    tally
        Told what the stages took.

    Returns
    -------
    DataFrame
        The wanted rows in the wanted order, index ``row_id``.

    Raises
    ------
    RerunError
        If a stage cannot be rebuilt, fails or leaves out a row.
    """
    whole: dict[int, pd.DataFrame] = {}
    rows: dict[int, pd.DataFrame] = {}
    tally = RerunTally() if tally is None else tally
    with tally.reading() as read:
        for item in plan.frontier:
            record = intermediate_by_id(connection, item)
            if item in plan.rows_of:
                rows[item] = reader.rows(connection, record, row_ids, read)
            else:
                whole[item] = reader.frame(connection, record, read)
    for step in plan.steps:
        if step.output is None:
            whole.update(_run_stage(connection, step.stage, whole, reader, {}, tally))
        else:
            given = _Given(row_ids, whole, rows)
            rows[step.output] = _run_rows(connection, step, given, reader, tally)
    frame = rows[target.ref.id]
    if not pd.Index(row_ids).isin(frame.index).all():
        raise RerunError(f"re-running {plan.label} for {len(row_ids)} rows left some out; use strategy='read'")
    return frame.loc[row_ids]


@dataclass(frozen=True)
class _Given:
    """What there is for a step: intermediates, whole or their wanted rows."""

    row_ids: npt.NDArray[np.int64]
    whole: dict[int, pd.DataFrame]
    rows: dict[int, pd.DataFrame]

    def frame(self, item: int, need: Need) -> pd.DataFrame:
        """Return an intermediate, restricted where that is enough."""
        if need is Need.WHOLE:
            return self.whole[item].copy(deep=False)
        if item not in self.rows:
            whole = self.whole[item]
            self.rows[item] = whole.loc[whole.index.isin(self.row_ids)]
        return self.rows[item].copy(deep=False)


def _run_rows(
    connection: sa.Connection, step: Step, made: _Given, reader: FrameReader, tally: RerunTally
) -> pd.DataFrame:
    """Make the wanted rows of one output of a stage."""
    start = time.perf_counter()
    name, stage = load_stage(connection, step.stage)
    output = connection.execute(sa.select(intermediate.c.output).where(intermediate.c.id == step.output)).scalar_one()
    given = connection.execute(sa.select(stage_input).where(stage_input.c.stage_id == step.stage)).all()
    recorded = connection.execute(sa.select(stage_table.c.needs).where(stage_table.c.id == step.stage)).scalar_one()
    needs = {name: Need(value) for name, value in recorded[output].items()}
    inputs: dict[str, Any] = {}
    for row in given:
        if row.fitted_id is not None:
            inputs[row.name] = reader.fitted(connection, fitted_by_id(connection, row.fitted_id))
        elif needs[row.name] is not Need.NOTHING:
            inputs[row.name] = made.frame(row.intermediate_id, needs[row.name])
    learned = _learned(connection, step.stage, name, reader)
    if learned is None:
        raise RerunError(f"what stage {name!r} has learned is damaged; ask for all rows, so that it learns again")
    log.info("re-running stage %s (%s) for some rows", name, stage.label())
    loaded = time.perf_counter()
    try:
        frame = stage.execute_rows(output, inputs, learned)
    except MistiqueError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise RerunError(f"stage {name!r} failed when re-run: {type(error).__name__}: {error}") from error
    made_rows = _indexed(frame, derived=True, name=name)
    _count(tally, step.stage, start, loaded, {0: made_rows}, whole=False)
    return made_rows


def _learned(connection: sa.Connection, stage_id: int, name: str, reader: FrameReader) -> dict[str, Any] | None:
    """Return the fitted objects of a stage; ``None`` when they are damaged, so that it learns them anew."""
    try:
        return {record.ref.name: reader.fitted(connection, record) for record in fitted_of_stage(connection, stage_id)}
    except CorruptPartitionError as error:
        log.warning("stage %s learns again what it had stored: %s", name, error)
        return None


def _indexed(frame: pd.DataFrame, *, derived: bool, name: str) -> pd.DataFrame:
    ids, frame = split_row_id(frame, None, derived=derived, what=f"the output of stage {name!r}")
    return frame.set_axis(pd.Index(ids, name=ROW_ID), axis=0)


def verify(frame: pd.DataFrame, target: IntermediateRecord, block_rows: int) -> None:
    """Raise :class:`RerunMismatchError` unless `frame` has exactly the recorded content."""
    outputs = OutputSet(block_rows)
    prepared = outputs.add_frame("", frame, row_id=None, derived=True, what="the re-run result")
    if prepared.address != target.address:
        ref = target.ref
        raise RerunMismatchError(
            f"re-running {ref.project}.{ref.model}@{ref.version}.{ref.intermediate} gave other values than were "
            "recorded; its stage depends on something outside its inputs: use strategy='read'"
        )
