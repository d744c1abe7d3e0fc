"""Whether a stage is run row block by row block, and how many rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import (
    UNSTORED,
    ColumnRecord,
    IntermediateRecord,
    columns_of,
    intermediate_by_id,
)
from mistique_core.errors import InvalidInputError
from mistique_core.model import BlockShare, IntermediateRef, Need, Ref, Stage

_WINDOW_BYTES = 64 * 1024 * 1024
"""Values that a stage is given at a time, unless it is to be run by row blocks for fewer already."""
_NEEDS_ROWS = (Need.ROWS, Need.EXACT)


@dataclass(frozen=True)
class StreamPlan:
    """How a stage is run by row blocks.

    Attributes
    ----------
    frames, fitted
        Input name -> what it is.
    columns
        Input name -> its columns.
    rows
        Of every input, and of the outputs unless the stage drops some.
    logical_bytes
        Of the input frames.
    window_rows
        Rows that the stage is given at a time: some row blocks.
    """

    frames: dict[str, IntermediateRecord]
    fitted: dict[str, Ref]
    columns: dict[str, list[ColumnRecord]]
    rows: int
    logical_bytes: int
    window_rows: int


def plan_stream(
    connection: sa.Connection,
    item: Stage,
    inputs: Mapping[str, Ref],
    share: BlockShare | None,
    block_rows: int,
    stream_bytes: int,
) -> StreamPlan | None:
    """Return how to run a stage by row blocks; ``None`` where it runs as a whole.

    Parameters
    ----------
    connection
        A connection.
    item
        The stage.
    inputs
        Input name -> reference.
    share
        The row blocks that were asked for; ``None`` leaves the choice to the size of the inputs.
    block_rows
        Rows of a row block.
    stream_bytes
        Bytes of values of the inputs above which the stage is run by row blocks.

    Raises
    ------
    InvalidInputError
        If row blocks were asked for and the stage cannot be run by them.
    """
    found: StreamPlan | str | None = _why_not(item, inputs)
    if found is None:
        frames = {
            name: intermediate_by_id(connection, ref.id)
            for name, ref in inputs.items()
            if isinstance(ref, IntermediateRef)
        }
        if share is None and sum(record.logical_bytes for record in frames.values()) <= stream_bytes:
            return None
        if any(not record.ref.rows for record in frames.values()):
            return None  # one task does it, however many share it
        found = _found(connection, item, frames, inputs, block_rows, stream_bytes)
    if isinstance(found, StreamPlan):
        return found
    if share is not None:
        raise InvalidInputError(f"{item.label()} cannot be run by row blocks: {found}; leave out blocks=")
    return None


def _why_not(item: Stage, inputs: Mapping[str, Ref]) -> str | None:
    """Return why a stage cannot be run by row blocks, whatever its inputs hold; ``None`` where it can."""
    if not item.row_wise or item.is_source:
        return "it does not declare that each row of its output comes from the same row of its inputs"
    if item.learns:
        return "it learns from all rows; learn in a stage of its own, and apply what it learned"
    names = [name for name, ref in inputs.items() if isinstance(ref, IntermediateRef)]
    if not names:
        return "it has no input frame"
    if item.outputs is not None and "*" in item.outputs and len(names) > 1:
        return "it gives one output an input; give it one input"
    for output in item.outputs or ("",):
        needs = item.needs("" if output == "*" else output, names)
        whole = [name for name in names if needs.get(name) not in _NEEDS_ROWS]
        if whole:
            return f"it needs all rows of the input {whole[0]!r}"
    return None


def _found(
    connection: sa.Connection,
    item: Stage,
    frames: dict[str, IntermediateRecord],
    inputs: Mapping[str, Ref],
    block_rows: int,
    stream_bytes: int,
) -> StreamPlan | str:
    """Return the plan, or why the inputs do not allow one."""
    columns = {name: list(columns_of(connection, record.ref.id)) for name, record in frames.items()}
    first = next(iter(frames.values()))
    for name, record in frames.items():
        if record.row_id_version.address != first.row_id_version.address:
            return f"the input {name!r} has other rows than {next(iter(frames))!r}"
        if any(column.version.id == UNSTORED for column in columns[name]):
            return f"the input {name!r} is not stored; materialize it first"
    if first.ref.rows <= item.whole_up_to_rows:
        return f"it takes up to {item.whole_up_to_rows} rows as a whole, and its input has {first.ref.rows}"
    logical_bytes = sum(record.logical_bytes for record in frames.values())
    blocks = min(_WINDOW_BYTES, stream_bytes) * first.ref.rows // max(logical_bytes, 1) // block_rows
    fitted: dict[str, Ref] = {name: ref for name, ref in inputs.items() if not isinstance(ref, IntermediateRef)}
    return StreamPlan(frames, fitted, columns, first.ref.rows, logical_bytes, max(blocks, 1) * block_rows)
