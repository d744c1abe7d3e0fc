"""Logging one DataFrame of Spark."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.captures import end_capture
from mistique_core.engine.commit import Pending
from mistique_core.engine.frame_blocks import AssembledFrame
from mistique_core.engine.outputs import OutputSet, PreparedFrame
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import LogReport
from mistique_core.model.names import check_name
from mistique_core.spark.columns import stored_columns
from mistique_core.spark.environment import require_spark
from mistique_core.spark.frame_write import WrittenFrame, written_frame
from mistique_core.spark.report import SparkReport
from mistique_core.store.run import Run


def log_spark_frame(
    run: Run, intermediate: str, frame: Any, *, row_id: str | None = None, columns: Sequence[str] | None = None
) -> SparkReport:
    """Store a DataFrame of Spark as an intermediate: executors write the row blocks, and no row comes to the driver.

    Every executor must reach the store: the same folder, or object storage whose credentials its environment holds, and
    the catalogue's URL. All rows become visible together or not at all, each once, whichever tasks failed or ran twice.

    Parameters
    ----------
    run
        The run; see :meth:`Mistique.run`.
    intermediate
        Its name.
    frame
        The DataFrame. It is computed once for counting (few columns, unless its plan shuffles) and once for writing;
        ``persist()`` it if computing takes longer than that.
    row_id
        A column of unique integers. By default the column ``row_id``; where there is none, rows are numbered from 0 in
        their order (see :func:`with_row_ids` for numbers that last through shuffles).
    columns
        Names of those to store; by default all that hold numbers, texts, times or vectors. A vector becomes one column
        an element, ``features[AGE]``; those with more than 1,000 are left out. Decimals become float64, and timestamps
        UTC.

    Raises
    ------
    InvalidInputError
        If a column or the row ids cannot be stored, or the rows are others each time that they are computed.
    NotFoundError
        If there is no such column.
    Exception
        Whatever Spark raises: if the DataFrame cannot be computed, or executors do not reach the store.

    Examples
    --------
    >>> with store.run("zillow", "prices") as run:                                          # doctest: +SKIP
    ...     report = log_spark_frame(run, "homes", homes, row_id="parcelid")
    """
    require_spark("log_spark_frame")
    check_name("intermediate", intermediate)
    check_frame(frame)
    start = time.perf_counter()
    what = f"frame {intermediate!r}"
    named = row_id or (ROW_ID if ROW_ID in frame.columns else None)
    stored = stored_columns(frame, columns, named, what)
    store = run.store
    with written_frame(store, run.version_id, frame, stored, named, what) as written:
        outputs = store.committer.outputs()
        pending = run.pending(intermediate, outputs, add_written(outputs, written, what))

        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> LogReport:
            if written.opened is not None:
                end_capture(connection, written.opened.id)
            return pending.register(connection, unclaimed)

        report = store.committer.commit([Pending(outputs, register)])[0]
    return SparkReport((report,), {intermediate: stored.left_out}, time.perf_counter() - start)


def check_frame(frame: Any) -> None:
    """Raise :class:`InvalidInputError` unless this is a DataFrame of Spark that is no stream."""
    module, name = type(frame).__module__, type(frame).__name__
    if not module.startswith("pyspark.sql.") or name != "DataFrame":
        raise InvalidInputError(
            f"frame is a {module}.{name}, not a DataFrame of Spark; use run.log_frame for a DataFrame of pandas"
        )
    if frame.isStreaming:
        raise InvalidInputError("the DataFrame is a stream, which has no last row; log its batches with foreachBatch")


def add_written(outputs: OutputSet, written: WrittenFrame, what: str) -> PreparedFrame:
    """Take a DataFrame that executors wrote into the outputs of a commit."""
    if isinstance(written.frame, AssembledFrame):
        return outputs.add_assembled("", written.frame, written.stored_bytes)
    return outputs.add_frame("", written.frame, row_id=None, derived=True, what=what)
