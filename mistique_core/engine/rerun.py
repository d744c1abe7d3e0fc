"""The PipelineExecutor: re-run recorded stages from materialized ancestors, learning nothing again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import version_records
from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id
from mistique_core.catalogue.stages import fitted_by_id, fitted_of_stage
from mistique_core.catalogue.tables import intermediate, stage_input
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.stage_loader import load_stage
from mistique_core.errors import CorruptPartitionError, MistiqueError, RerunError, RerunMismatchError
from mistique_core.frames import ROW_ID, split_row_id
from mistique_core.planner import TargetPlan

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


def rerun(connection: sa.Connection, plan: TargetPlan, target: IntermediateRecord, reader: FrameReader) -> Rerun:
    """Execute a plan's stages.

    Raises
    ------
    RerunError
        If a stage cannot be rebuilt or fails.
    RerunMismatchError
        If the result is not what was recorded.
    """
    made: dict[int, pd.DataFrame] = {
        item: reader.frame(connection, intermediate_by_id(connection, item)) for item in plan.frontier
    }
    learned_again: dict[str, Any] = {}
    for stage_id in plan.stages:
        made.update(_run_stage(connection, stage_id, made, reader, learned_again))
    frame = made[target.ref.id]
    block_rows = version_records(connection, [target.row_id_version.id])[0].block_rows
    verify(frame, target, block_rows)
    return Rerun(frame, block_rows, learned_again)


def _run_stage(
    connection: sa.Connection,
    stage_id: int,
    made: dict[int, pd.DataFrame],
    reader: FrameReader,
    learned_again: dict[str, Any],
) -> dict[int, pd.DataFrame]:
    name, stage = load_stage(connection, stage_id)
    inputs: dict[str, Any] = {}
    for row in connection.execute(sa.select(stage_input).where(stage_input.c.stage_id == stage_id)):
        if row.fitted_id is not None:
            inputs[row.name] = reader.fitted(connection, fitted_by_id(connection, row.fitted_id))
        elif row.intermediate_id is None:
            raise RerunError(f"input {row.name!r} of stage {name!r} was deleted; the stage can no longer be re-run")
        else:
            inputs[row.name] = made[row.intermediate_id].copy(deep=False)
    learned = _learned(connection, stage_id, name, reader)
    log.info("re-running stage %s (%s)", name, stage.label())
    try:
        result = stage.execute(inputs, learned or None)
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
    return outputs


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
