"""What the driver does: it counts rows, lets executors write the row blocks, and puts together what these describe.

No row comes to the driver: for each row block it gets a number, and from the catalogue the addresses of its chunks.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.captures import (
    CapturedRows,
    CaptureEndedError,
    OpenCapture,
    end_captures,
    load_numbered_blocks,
    open_capture,
)
from mistique_core.dedup import json_hash
from mistique_core.engine.frame_blocks import MISSING_PART, AssembledFrame, ColumnBlock, FrameBlock, assemble
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.frames import ROW_ID
from mistique_core.spark.arrow_rows import to_frame
from mistique_core.spark.columns import StoredColumn, StoredColumns, quoted, selected
from mistique_core.spark.executor_write import (
    BLOCK,
    KEPT,
    POSITION,
    PROBLEM,
    ROWS_CHANGED,
    BlocksToWrite,
    answer_schema,
    handed_on_schema,
)
from mistique_core.spark.partition_rows import (
    CHECK,
    PartitionRows,
    count_partitions,
    fixed_partitions,
    may_change,
    pinned,
    row_hash,
)
from mistique_core.store import Mistique

log = logging.getLogger(__name__)

_EDGE_BLOCKS_PER_TASK = 2
_PLAIN = {"boolean": {"kind": "bool", "dtype": "|b1"}}


class _RowsChangedError(InvalidInputError):
    """The rows were others when they were written than when they were counted."""


@dataclass(frozen=True)
class WrittenFrame:
    """A DataFrame whose row blocks are stored, and not visible yet.

    Attributes
    ----------
    opened
        The capture that keeps them until it is ended, in the transaction that makes them visible; ``None`` of a frame
        without rows, of which nothing is stored.
    frame
        The frame, or for one without rows an empty pandas frame.
    stored_bytes
        Bytes that it added to the store.
    """

    opened: OpenCapture | None
    frame: AssembledFrame | pd.DataFrame
    stored_bytes: int


@contextmanager
def written_frame(
    store: Mistique,
    version_id: int,
    frame: Any,
    columns: StoredColumns,
    row_id: str | None,
    what: str,
    rows: PartitionRows | None = None,
) -> Iterator[WrittenFrame]:
    """Let executors write a DataFrame; let go of what they wrote if the block raises instead of making it visible.

    Parameters
    ----------
    store
        The store, which executors can reach by the same location and URL.
    version_id
        The model version.
    frame, columns
        The DataFrame, and what of it is stored.
    row_id
        The column of row ids; ``None`` to number the rows from 0.
    what
        What is logged, for error messages.
    rows
        Rows of its partitions, where they are known.

    Raises
    ------
    InvalidInputError
        If row ids are missing or come twice, vectors differ in size, or the rows change whenever they are computed.
    Exception
        Whatever Spark raises: if the DataFrame cannot be computed, or executors do not reach the store.
    """
    opened, written = _stored(store, version_id, frame, columns, row_id, what, rows)
    try:
        _check_row_ids(frame, row_id, written.blocks, what)
        if written.blocks:
            made = assemble(written.blocks_plain(), store.config.block_rows, what)
            yield WrittenFrame(opened, made, written.bytes)
    except BaseException:
        _give_up(store, opened)
        raise
    if not written.blocks:
        _give_up(store, opened)
        yield WrittenFrame(None, _empty(written.schema, columns, row_id), 0)


def _stored(
    store: Mistique,
    version_id: int,
    frame: Any,
    columns: StoredColumns,
    row_id: str | None,
    what: str,
    rows: PartitionRows | None,
) -> tuple[OpenCapture, _Written]:
    """Let executors write a DataFrame: with a check where its rows may change, or have been seen to."""
    chosen = selected(frame, columns.columns)
    changes = rows is None and may_change(chosen)
    for with_check in (True,) if changes else (False, True):
        source = pinned(_ordered(chosen, columns, row_id)) if with_check else chosen
        with store.catalogue.write() as connection:
            opened = open_capture(connection, version_id, json_hash({"spark": uuid.uuid4().hex}), b"{}")
        try:
            with fixed_partitions(source):
                known = None if with_check else rows
                return opened, _write(store, source, columns, row_id, what, opened, known, with_check)
        except _RowsChangedError:
            _give_up(store, opened)
            if with_check:
                raise
            log.warning("%s has other rows than were counted; it is computed again with all columns", what)
        except BaseException:
            _give_up(store, opened)
            raise
    raise AssertionError("the last try either returns or raises")


def _ordered(chosen: Any, columns: StoredColumns, row_id: str | None) -> Any:
    """Return rows that come by a shuffle in an order that does not depend on what arrived first, if they have ids."""
    if row_id is None:
        return chosen
    place = next(place for place, column in enumerate(columns.columns) if column.source == row_id)
    return chosen.sortWithinPartitions(f"c{place}")


@dataclass(frozen=True)
class _Written:
    """What executors wrote.

    Attributes
    ----------
    blocks
        As the catalogue keeps them, in order.
    schema
        Of the DataFrame that was written.
    """

    blocks: tuple[CapturedRows, ...]
    schema: Any

    @property
    def bytes(self) -> int:
        return sum(block.stored_bytes for block in self.blocks)

    def blocks_plain(self) -> list[FrameBlock]:
        """Return the row blocks; columns with room for missing values of which none is, are plain ones."""
        blocks = [FrameBlock.from_captured(block) for block in self.blocks]
        plain = [_plain_type([block.columns[place] for block in blocks]) for place in range(len(blocks[0].columns))]
        return [
            replace(
                block,
                columns=tuple(
                    column if logical is None else replace(column, logical_type=logical)
                    for column, logical in zip(block.columns, plain, strict=True)
                ),
            )
            for block in blocks
        ]


def _plain_type(blocks: Sequence[ColumnBlock]) -> str | None:
    """Return the type of a column without missing values, where what was written has room for them."""
    logical = json.loads(blocks[0].logical_type)
    if logical["kind"] != "nullable" or any(part == MISSING_PART for block in blocks for part, _ in block.chunks):
        return None
    name = logical["dtype"]
    plain = _PLAIN.get(name) or {"kind": "numeric", "dtype": np.dtype(name.lower()).str}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _write(
    store: Mistique,
    source: Any,
    columns: StoredColumns,
    row_id: str | None,
    what: str,
    opened: OpenCapture,
    rows: PartitionRows | None,
    with_check: bool,
) -> _Written:
    """Count the rows, let executors write them, and return what they wrote."""
    counted = rows or count_partitions(source, with_check=with_check)
    if not counted.total:
        return _Written((), source.schema)
    config = store.config
    block_rows = config.block_rows
    settings = {name: value for name, value in asdict(config).items() if name not in ("location", "catalogue_url")}
    task = BlocksToWrite(
        config.location,
        _absolute(config.catalogue_url),
        settings,
        opened.id,
        columns.columns,
        row_id,
        block_rows,
        counted.total,
        counted.starts,
        counted.counts,
        with_check,
        what,
    )
    given = source.withColumn(CHECK, row_hash(source.columns)) if with_check else source
    edges = _edge_blocks(counted, block_rows)
    log.info(
        "%s: %d rows in %d partitions, %d row blocks, of which %d spread over several partitions",
        what, counted.total, len(counted.counts), -(-counted.total // block_rows), edges,
    )  # fmt: skip
    answers = (
        given.mapInArrow(task.write_inside, handed_on_schema(given.schema))
        .repartition(max(-(-edges // _EDGE_BLOCKS_PER_TASK), 1), BLOCK)
        .sortWithinPartitions(BLOCK, POSITION)
        .mapInArrow(task.write_edges, answer_schema())
        .collect()
    )
    problems = sorted({item[PROBLEM] for item in answers if item[PROBLEM] is not None}, key=ROWS_CHANGED.__eq__)
    if problems and problems[0] != ROWS_CHANGED:
        raise InvalidInputError(problems[0])
    numbers = {int(item[BLOCK]): int(item[KEPT]) for item in answers if item[KEPT] is not None}
    if problems or len(numbers) < -(-counted.total // block_rows):
        raise _changed(what)
    with store.catalogue.read() as connection:
        kept = load_numbered_blocks(connection, opened.id)
    if not kept.keys() >= set(numbers.values()):
        raise CaptureEndedError(
            f"what executors stored of {what} was given up before it became visible, as 'mistique gc' does with what "
            "was left for days; log it again"
        )
    blocks = tuple(kept[numbers[number]][""] for number in sorted(numbers))
    if with_check and _sum_of(blocks) != counted.check:
        raise _changed(what)
    return _Written(blocks, source.schema)


def _absolute(url: str) -> str:
    """Return the URL of a catalogue as another process takes it, whose working folder is another."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    return parsed.set(database=str(Path(parsed.database).absolute())).render_as_string(hide_password=False)


def _edge_blocks(rows: PartitionRows, block_rows: int) -> int:
    """Return how many row blocks spread over several partitions."""
    ends = {start for start in rows.starts if start % block_rows}
    return len({end // block_rows for end in ends})


def _changed(what: str) -> _RowsChangedError:
    return _RowsChangedError(
        f"{what} has other rows each time that Spark computes it, so that no row has a place of its own; "
        "checkpoint() it first, or take out what draws random values"
    )


def _sum_of(blocks: Sequence[CapturedRows]) -> tuple[int, int]:
    xor, total = 0, 0
    for block in blocks:
        block_xor, block_sum = block.facts["check"]
        xor ^= block_xor
        total += block_sum
    return xor, total


def _check_row_ids(frame: Any, row_id: str | None, blocks: Sequence[CapturedRows], what: str) -> None:
    """Refuse row ids that come twice: by what is known of each row block, else by a job of Spark."""
    if row_id is None or not blocks:
        return
    ids = sorted(block.facts["ids"] for block in blocks)
    apart = all(before[1] < after[0] for before, after in pairwise(ids))
    if apart and all(increasing for _, _, increasing in ids):
        return
    name = quoted(row_id)
    twice = frame.groupBy(frame[name].alias(ROW_ID)).count().where("count > 1").first()
    if twice is not None:
        raise InvalidInputError(
            f"row_id of {what} is not unique: {twice[0]} occurs {twice[1]} times; drop the duplicates or give another "
            "row_id"
        )


def _empty(schema: Any, columns: StoredColumns, row_id: str | None) -> pd.DataFrame:
    """Return the frame that a DataFrame without rows becomes."""
    from pyspark.sql.pandas.types import to_arrow_schema

    frame = to_frame(to_arrow_schema(schema).empty_table(), columns.columns, row_id, 0)
    plain = {name: _plain_dtype(column) for column in columns.columns for name in column.names if name in frame}
    return frame.astype({name: dtype for name, dtype in plain.items() if dtype is not None})


def _plain_dtype(column: StoredColumn) -> str | None:
    if column.kind == "integer":
        return column.dtype.lower()
    return "bool" if column.kind == "bool" else None


def _give_up(store: Mistique, opened: OpenCapture) -> None:
    """Let go of what was stored; that this fails hides no error."""
    try:
        with store.catalogue.write() as connection:
            end_captures(connection, [opened.id])
    except (MistiqueError, sa.exc.SQLAlchemyError) as error:
        log.warning("what was stored is kept until garbage collection: %s", error)
