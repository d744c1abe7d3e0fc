"""Logging what every stage of a fitted pipeline of Spark gives."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.captures import end_capture
from mistique_core.catalogue.layouts import Layout
from mistique_core.catalogue.stages import StageSeconds, begin_stage, finish_stage
from mistique_core.engine.commit import Pending
from mistique_core.engine.frame_blocks import AssembledFrame
from mistique_core.engine.outputs import OutputSet, PreparedFrame
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateRef, LogReport, StageKind
from mistique_core.model.names import check_name
from mistique_core.spark.columns import StoredColumns, stored_columns
from mistique_core.spark.environment import require_spark
from mistique_core.spark.frame_write import WrittenFrame, written_frame
from mistique_core.spark.log_frame import check_frame
from mistique_core.spark.partition_rows import PartitionRows, may_change
from mistique_core.spark.pipeline_stages import PipelineStep, adds_columns, steps_of
from mistique_core.spark.report import SparkReport
from mistique_core.spark.row_ids import check_free, numbered
from mistique_core.store.run import Run

_READ = "pyspark.sql:DataFrame"


def log_spark_pipeline(
    run: Run,
    model: Any,
    frame: Any,
    *,
    row_id: str | None = None,
    input_name: str = "input",
    names: Sequence[str] | Mapping[str, str] | None = None,
) -> SparkReport:
    """Store what goes into a fitted pipeline and what each of its stages gives, written by the executors.

    Stages that add columns row by row are computed and written together, so that the whole pipeline runs once, and
    each column is stored once however many intermediates have it. Every executor must reach the store, see
    :func:`log_spark_frame`. All intermediates become visible together or not at all.

    Parameters
    ----------
    run
        The run; see :meth:`Mistique.run`.
    model
        A ``PipelineModel``, whose stages may be pipelines again, or any other fitted transformer.
    frame
        The DataFrame that goes into it.
    row_id
        A column of unique integers. By default the column ``row_id``; where there is none, rows are numbered from 0 in
        their order, which a plan that shuffles does not have: it is refused.
    input_name
        Name of the intermediate with the input.
    names
        Of the stages' intermediates: one a stage, or uid -> name; by default number and class, ``1_StringIndexer``.

    Raises
    ------
    InvalidInputError
        If the pipeline is not fitted, names do not fit, or a DataFrame cannot be stored.
    Exception
        Whatever Spark raises: if a stage fails, or executors do not reach the store.

    Examples
    --------
    >>> fitted = Pipeline(stages=[assembler, scaler, forest]).fit(homes)                    # doctest: +SKIP
    >>> with store.run("zillow", "forest") as run:                                          # doctest: +SKIP
    ...     log_spark_pipeline(run, fitted, homes, row_id="parcelid")
    """
    require_spark("log_spark_pipeline")
    check_name("intermediate", input_name)
    check_frame(frame)
    start = time.perf_counter()
    named, rows = row_id or ROW_ID, None
    if named not in frame.columns:
        if row_id is not None or may_change(frame):
            raise InvalidInputError(
                f"the input has no column {named!r}"
                + ("" if row_id else ", and its rows may come in another order each time, since its plan shuffles")
                + "; name a column of unique integers, or call with_row_ids where the data come from"
            )
        check_free(frame, ROW_ID, "name it by row_id=, or rename it")
        frame, rows = numbered(frame, ROW_ID)
    steps = steps_of(model, frame, names)
    if input_name in [step.name for step in steps]:
        raise InvalidInputError(f"a stage has the name {input_name!r} of the input; give another input_name=")
    parts = _parts(frame, steps, input_name, named, rows)
    store = run.store
    with ExitStack() as kept:
        for part in parts:
            part.written = kept.enter_context(
                written_frame(store, run.version_id, part.frame, part.columns, named, part.what, part.rows)
            )
        logged = [_Logged(part, name, step, names_of) for part in parts for name, step, names_of in part.intermediates]
        outputs = [item.prepare(store.committer.outputs()) for item in logged]
        seconds = time.perf_counter() - start

        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> list[LogReport]:
            for part in parts:
                if part.written is not None and part.written.opened is not None:
                    end_capture(connection, part.written.opened.id)
            reports: list[LogReport] = []
            for item in logged:
                before = reports[-1].ref if reports else None
                reports.append(item.register(connection, unclaimed, run, before, seconds / len(logged)))
            return reports

        first, *others = outputs
        nothing = [Pending(other, lambda *_: []) for other in others]
        reports = store.committer.commit([*nothing, Pending(first, register)])[-1]
    left_out = {
        name: {column: reason for column, reason in part.columns.left_out.items() if column in set(names_of)}
        for part in parts
        for name, _, names_of in part.intermediates
    }
    return SparkReport(tuple(reports), left_out, time.perf_counter() - start)


@dataclass
class _Part:
    """A DataFrame that is written by one job, and the intermediates whose columns it has.

    Attributes
    ----------
    frame
        With the columns of all of them.
    columns
        What of it is stored.
    what
        For error messages.
    rows
        Rows of its partitions, where they are known.
    intermediates
        (name, stage or ``None`` for the input, its columns in the DataFrame), in order.
    written
        Once it is.
    """

    frame: Any
    columns: StoredColumns
    what: str
    rows: PartitionRows | None
    intermediates: list[tuple[str, PipelineStep | None, list[str]]] = field(default_factory=list)
    written: WrittenFrame | None = None


def _parts(
    frame: Any, steps: Sequence[PipelineStep], input_name: str, row_id: str, rows: PartitionRows | None
) -> list[_Part]:
    """Return the DataFrames that have to be written."""
    groups: list[list[tuple[str, PipelineStep | None, Any]]] = [[(input_name, None, frame)]]
    for step in steps:
        before = groups[-1][-1][2]
        if row_id not in step.frame.columns:
            raise InvalidInputError(
                f"{type(step.stage).__name__} drops the column {row_id!r}, and rows are never matched by position; "
                "let it keep the column"
            )
        if not adds_columns(step, before):
            groups.append([])
        groups[-1].append((step.name, step, step.frame))
    parts = []
    for number, group in enumerate(groups):
        name, _, whole = group[-1]
        what = f"frame {name!r}"
        columns = stored_columns(whole, None, row_id, what)
        part = _Part(whole, columns, what, rows if number == 0 else None)
        part.intermediates = [(name, step, given.columns) for name, step, given in group]
        parts.append(part)
    return parts


@dataclass
class _Logged:
    """An intermediate on its way into the store."""

    part: _Part
    name: str
    step: PipelineStep | None
    sources: list[str]
    prepared: PreparedFrame | None = None
    outputs: OutputSet | None = None

    def prepare(self, outputs: OutputSet) -> OutputSet:
        """Take its columns out of the DataFrame that was written."""
        written = self.part.written
        assert written is not None
        sources = set(self.sources)
        names = [
            name
            for column in self.part.columns.columns
            if column.source in sources and column.source != ROW_ID
            for name in column.names
        ]
        if isinstance(written.frame, AssembledFrame):
            place = {name: number for number, name in enumerate(written.frame.layout.names)}
            versions = tuple(written.frame.versions[place[name]] for name in names)
            categories = written.frame.categories
            frame = replace(written.frame, layout=Layout(tuple(names)), versions=versions, categories=categories)
            is_last = self.name == self.part.intermediates[-1][0]
            self.prepared = outputs.add_assembled("", frame, written.stored_bytes if is_last else 0)
        else:
            self.prepared = outputs.add_frame("", written.frame[names], row_id=None, derived=True, what=self.part.what)
        self.outputs = outputs
        return outputs

    def register(
        self,
        connection: sa.Connection,
        unclaimed: dict[bytes, int],
        run: Run,
        before: IntermediateRef | None,
        seconds: float,
    ) -> LogReport:
        """Record the stage and make its output visible."""
        assert self.outputs is not None
        assert self.prepared is not None
        step = self.step
        stage_id = begin_stage(
            connection,
            model_version_id=run.version_id,
            name=self.name,
            task_id=None,
            map_index=-1,
            operator=_READ if step is None else step.operator,
            label=self.name if step is None else type(step.stage).__name__,
            params={} if step is None else step.params,
            code_hash=None,
            libraries={},
            inputs={} if before is None else {"frame": before},
            kind=StageKind.READ if step is None else step.kind,
        )
        report = run.pending(self.name, self.outputs, self.prepared, stage_id).register(connection, unclaimed)
        finish_stage(
            connection,
            stage_id,
            StageSeconds(0.0, 0.0, seconds, 0.0),
            fingerprint=None,
            deterministic=True,
            hyperparameters=step.params if step is not None and step.kind is StageKind.PREDICT else {},
            metrics={},
            metrics_intermediate=None,
            needs={},
        )
        return report
