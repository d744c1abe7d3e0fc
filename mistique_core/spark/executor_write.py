"""What executors do: each writes the row blocks that lie within its partition, and hands on the rows beside them.

Row blocks are of a fixed size, and partitions of Spark end anywhere. The rows of a block that spreads over several
partitions are shuffled to one task, which writes it; of a DataFrame with large partitions these are few. Every task
answers with the numbers under which the catalogue keeps what it wrote. Spark takes the answer of one try of each task,
so that blocks which a failed or speculative try wrote as well count for nothing: their chunks are the same, or garbage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mistique_core.catalogue.captures import OpenCapture
from mistique_core.engine.frame_stream import FrameStream
from mistique_core.engine.stream_write import StreamWrite
from mistique_core.errors import InvalidInputError, UnsupportedColumnError
from mistique_core.spark.arrow_rows import to_frame
from mistique_core.spark.columns import StoredColumn
from mistique_core.spark.partition_rows import SUM_BITS
from mistique_core.store import Mistique

BLOCK, POSITION, KEPT, PROBLEM = "mistique_block", "mistique_position", "mistique_kept", "mistique_problem"
"""Columns beside the rows': row block, place of the row in the whole, number of a kept block, what failed."""
ROWS_CHANGED = "rows changed"
"""A problem: the partition has other rows than were counted."""


@dataclass(frozen=True)
class BlocksToWrite:
    """What every task knows; it travels to the executors.

    Attributes
    ----------
    location, catalogue_url, settings
        Of the store; the URL may hold a password.
    capture_id
        Keeps the row blocks until they are visible.
    columns
        What is stored.
    row_id
        The column of row ids; ``None`` where rows are numbered.
    block_rows, rows
        Rows of a row block, and of the whole.
    starts, counts
        Number of the first row of each partition, and its rows.
    has_check
        Whether the last column is a hash of the row.
    what
        What is logged, for error messages.
    """

    location: str
    catalogue_url: str = field(repr=False)
    settings: Mapping[str, Any]
    capture_id: int
    columns: tuple[StoredColumn, ...]
    row_id: str | None
    block_rows: int
    rows: int
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    has_check: bool
    what: str

    def write_inside(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Write the row blocks within a partition; yield the other rows, and then what was written."""
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        number = context.partitionId()
        position = self.starts[number] if number < len(self.starts) else 0
        end = position + (self.counts[number] if number < len(self.counts) else 0)
        first, last = self._inside(position, end)
        schema = None
        try:
            with _Writer(self) as writer:
                held: list[Any] = []
                for given in batches:
                    batch, schema = given, given.schema
                    while batch.num_rows:
                        if position >= end:
                            yield _problem(schema, ROWS_CHANGED)
                            return
                        stop = self._stop(position, end, first, last)
                        part = batch.slice(0, stop - position)
                        batch = batch.slice(part.num_rows)
                        if first <= position < last:
                            held.append(part)
                            if position + part.num_rows == stop:
                                writer.add(position // self.block_rows, held)
                                held = []
                        else:
                            yield _edge(part, position, self.block_rows)
                        position += part.num_rows
                if position != end:
                    if schema is not None:
                        yield _problem(schema, ROWS_CHANGED)
                    return
                kept = writer.finish()
            if schema is not None:
                yield from _kept(schema, kept)
        except (InvalidInputError, UnsupportedColumnError) as error:
            assert schema is not None  # a batch was refused
            yield _problem(schema, str(error))  # another try would fail as well

    def _inside(self, start: int, end: int) -> tuple[int, int]:
        """Return which rows of a partition form whole row blocks: first, end (exclusive)."""
        first = -(-start // self.block_rows) * self.block_rows
        last = end if end == self.rows else end // self.block_rows * self.block_rows
        return (first, last) if first < last else (end, end)

    def _stop(self, position: int, end: int, first: int, last: int) -> int:
        """Return where the rows from a position on end that are treated alike."""
        if position < first:
            return first
        if position < last:
            return min((position // self.block_rows + 1) * self.block_rows, last)
        return end

    def write_edges(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Write the row blocks whose rows come sorted by block and place; yield what was written here and before."""
        import pyarrow as pa
        import pyarrow.compute as pc

        held: list[Any] = []
        problem = None
        with _Writer(self) as writer:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                is_row = pc.is_valid(table[POSITION])
                yield from _answers(table.filter(pc.invert(is_row)).select([BLOCK, KEPT, PROBLEM]))
                rows = table.filter(is_row)
                while rows.num_rows and problem is None:
                    block = rows[BLOCK][0].as_py()
                    part = rows.slice(0, int(pc.sum(pc.equal(rows[BLOCK], block)).as_py()))
                    rows = rows.slice(part.num_rows)
                    held.append(part)
                    try:
                        problem = self._write_whole(writer, block, held)
                    except (InvalidInputError, UnsupportedColumnError) as error:
                        problem = str(error)
            if held and problem is None:
                problem = ROWS_CHANGED
            kept = [] if problem is not None else writer.finish()
        if problem is None:
            yield from _answers(_answer_table(kept, None))
        else:
            yield from _answers(_answer_table([], problem))

    def _write_whole(self, writer: _Writer, block: int, held: list[Any]) -> str | None:
        """Write a row block if all its rows are there, and let go of them; return what is wrong with them."""
        first = block * self.block_rows
        wanted = min(self.block_rows, self.rows - first)
        positions = np.concatenate([part[POSITION].to_numpy() for part in held])
        if len(positions) > wanted or not np.array_equal(positions, first + np.arange(len(positions))):
            return ROWS_CHANGED
        if len(positions) == wanted:
            writer.add(block, [batch for part in held for batch in part.to_batches()])
            held.clear()
        return None


class _Writer:
    """Stores row blocks; a context manager that opens the store when the first one comes."""

    def __init__(self, task: BlocksToWrite) -> None:
        self._task = task
        self._opened = ExitStack()
        self._write: StreamWrite | None = None
        self._stream = FrameStream(task.block_rows, task.what, derived=True)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._opened.close()

    def add(self, block: int, batches: list[Any]) -> None:
        """Store the rows of a row block."""
        import pyarrow as pa

        task = self._task
        if self._write is None:
            store = self._opened.enter_context(Mistique.open(task.location, task.catalogue_url, **task.settings))
            opened = OpenCapture(task.capture_id, b"")
            self._write = self._opened.enter_context(StreamWrite(store.committer, opened, renumbered=True))
        table = pa.Table.from_batches(batches)
        frame = to_frame(table, task.columns, task.row_id, block * task.block_rows)
        ids = np.asarray(frame.index)
        facts: dict[str, Any] = {
            "ids": [int(ids.min()), int(ids.max()), bool((ids[1:] > ids[:-1]).all())],
        }
        if task.has_check:
            hashes = table.column(len(task.columns)).to_numpy()
            low = hashes & np.int64(2**SUM_BITS - 1)
            facts["check"] = [int(np.bitwise_xor.reduce(hashes)), int(low.sum())]
        self._stream.begin_at(block)
        for made in self._stream.add(frame, is_whole=True):
            self._write.add(block, {"": made}, facts)

    def finish(self) -> list[tuple[int, int]]:
        """Register what was stored; return (row block, number under which it is kept) of each."""
        if self._write is None:
            return []
        self._write.flush()
        return self._write.kept


def handed_on_schema(schema: Any) -> Any:
    """Return the schema of what :meth:`BlocksToWrite.write_inside` yields, of a DataFrame with this one."""
    from pyspark.sql.types import StructField, StructType

    return StructType([*(StructField(item.name, item.dataType, True) for item in schema.fields), *_own_fields(True)])


def answer_schema() -> Any:
    """Return the schema of what :meth:`BlocksToWrite.write_edges` yields."""
    from pyspark.sql.types import StructType

    return StructType(_own_fields(False))


def _own_fields(with_position: bool) -> list[Any]:
    from pyspark.sql.types import LongType, StringType, StructField

    fields = [StructField(BLOCK, LongType(), True), StructField(KEPT, LongType(), True)]
    fields.append(StructField(PROBLEM, StringType(), True))
    if with_position:
        fields.insert(1, StructField(POSITION, LongType(), True))
    return fields


def _edge(batch: Any, position: int, block_rows: int) -> Any:
    """Return rows with their row blocks and places."""
    import pyarrow as pa

    places = position + np.arange(batch.num_rows, dtype=np.int64)
    own = [pa.array(places // block_rows), pa.array(places), pa.nulls(len(places), pa.int64())]
    return _joined(batch.schema, batch.columns, [*own, pa.nulls(len(places), pa.string())])


def _kept(schema: Any, kept: list[tuple[int, int]]) -> Iterator[Any]:
    """Yield what was written, as rows without values."""
    import pyarrow as pa

    if kept:
        count = len(kept)
        own = [pa.array([block for block, _ in kept], pa.int64()), pa.nulls(count, pa.int64())]
        own += [pa.array([number for _, number in kept], pa.int64()), pa.nulls(count, pa.string())]
        yield _joined(schema, [pa.nulls(count, item.type) for item in schema], own)


def _problem(schema: Any, text: str) -> Any:
    import pyarrow as pa

    own = [*(pa.nulls(1, pa.int64()) for _ in range(3)), pa.array([text], pa.string())]
    return _joined(schema, [pa.nulls(1, item.type) for item in schema], own)


def _joined(schema: Any, columns: Any, own: list[Any]) -> Any:
    import pyarrow as pa

    names = [*schema.names, BLOCK, POSITION, KEPT, PROBLEM]
    return pa.RecordBatch.from_arrays([*columns, *own], names=names)


def _answers(table: Any) -> Iterator[Any]:
    """Yield answers as record batches, none for none; texts that came from Spark may be of Arrow's large type."""
    import pyarrow as pa

    if table.num_rows:
        types = {BLOCK: pa.int64(), KEPT: pa.int64(), PROBLEM: pa.string()}
        yield from table.cast(pa.schema(types)).to_batches()


def _answer_table(kept: list[tuple[int, int]], problem: str | None) -> Any:
    import pyarrow as pa

    blocks: list[int | None] = [block for block, _ in kept]
    numbers: list[int | None] = [number for _, number in kept]
    problems: list[str | None] = [None] * len(kept)
    if problem is not None:
        blocks, numbers, problems = [*blocks, None], [*numbers, None], [*problems, problem]
    return pa.table(
        {
            BLOCK: pa.array(blocks, pa.int64()),
            KEPT: pa.array(numbers, pa.int64()),
            PROBLEM: pa.array(problems, pa.string()),
        }
    )
