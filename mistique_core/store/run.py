"""A run of a workflow: everything that it logs belongs to one version of its model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.captures import end_capture
from mistique_core.catalogue.entities import FAILED, SUCCESS, RunKey, model_version_of, save_run
from mistique_core.engine.commit import Pending
from mistique_core.engine.open_event import OpenEvent, open_event
from mistique_core.engine.outputs import OutputSet, PreparedFrame
from mistique_core.engine.stage_place import StagePlace
from mistique_core.engine.stage_runner import StageOutcome
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.frames import check_row_id, checked_frames, stream_with_row_ids
from mistique_core.materialization import KeepAll, Policy
from mistique_core.model import BlockShare, IntermediateRef, LogReport, Ref, Stage, StageKind
from mistique_core.model.names import check_name
from mistique_core.quantizers import Quantizer, parse_scheme

if TYPE_CHECKING:
    from mistique_core.store.mistique import Mistique
    from mistique_core.store.network_report import NetworkReport

log = logging.getLogger(__name__)

UNIT_BLOCK_ROWS = 1_000
KEEP_ALL = KeepAll()


class Run:
    """One run, as returned by :meth:`Mistique.run`.

    As a context manager it records its own end: success, or failed with the error.

    Attributes
    ----------
    key
        What identifies the ExperimentRun.
    project, model, version
        The model version that this run makes.
    store
        Where it logs.
    """

    def __init__(
        self,
        store: Mistique,
        key: RunKey,
        project: str,
        model: str,
        facts: Mapping[str, Any],
        policy: Policy = KEEP_ALL,
    ) -> None:
        check_name("project", project)
        check_name("model", model)
        self.store = store
        self._policy = policy
        self.key = key
        self.project = project
        self.model = model
        with store.catalogue.write() as connection:
            self.id = save_run(
                connection, key, project_name=project, overwrite=False, **{"started_at": time.time(), **facts}
            )
            self.version_id, self.version = model_version_of(connection, project, model, self.id)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.finish(None if error is None else f"{type(error).__name__}: {error}")

    def finish(self, error: str | None = None) -> None:
        """Record the end of the run: success, or failed with `error`."""
        with self.store.catalogue.write() as connection:
            save_run(
                connection,
                self.key,
                overwrite=True,
                state=FAILED if error else SUCCESS,
                ended_at=time.time(),
                error=error,
            )
        if error is None and not isinstance(self._policy, KeepAll):
            self._materialize()

    def _materialize(self) -> None:
        """Let go of what the policy says; that this failed loses nothing, so that it fails nobody's run."""
        try:
            self.store.materialize(self.project, self.model, version=self.version, policy=self._policy)
        except MistiqueError as error:
            log.warning("%s.%s@%d stays stored as it is: %s", self.project, self.model, self.version, error)

    def stage(
        self,
        name: str,
        stage: Stage,
        inputs: Mapping[str, Ref] | None = None,
        *,
        reuse: bool = True,
        map_index: int = -1,
        task_id: str | None = None,
        parent_id: int | None = None,
        wait_for_equal: bool = False,
        blocks: Any = None,
    ) -> StageOutcome:
        """Run one stage and record it (see :meth:`StageRunner.run`).

        Parameters
        ----------
        name
            Name of the stage; its only output, if it is a frame, takes this name.
        stage
            What to run.
        inputs
            Input name -> reference to an earlier stage's output.
        reuse
            Whether the outputs of an equal earlier stage may be taken over.
        map_index
            Index of a mapped task, else -1.
        task_id
            The task that runs the stage, where there is one.
        parent_id
            The event that it is a part of (:attr:`OpenEvent.id`), if any: its metrics and hyperparameters then do not
            count as the run's own.
        wait_for_equal
            Whether to wait for an equal stage that runs now and does this too, and take over its outputs.
        blocks
            Of a row-wise stage: row blocks to do (see :meth:`BlockShare.parse`), so that several tasks can share the
            work, each with a `map_index` of its own; the last one makes the outputs visible. Default all.
        """
        place = StagePlace(self.version_id, name, map_index, task_id, parent_id)
        return self.store.stage_runner.run(
            place,
            stage,
            inputs or {},
            reuse=reuse,
            wait_for_equal=wait_for_equal,
            blocks=None if blocks is None else BlockShare.parse(blocks),
        )

    @contextmanager
    def event(
        self,
        name: str,
        kind: StageKind,
        operator: str,
        label: str,
        *,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Ref] | None = None,
        task_id: str | None = None,
    ) -> Iterator[OpenEvent]:
        """Record as one event what the block does; its stages become parts of it by ``parent_id``.

        Parameters
        ----------
        name
            Its name among the stages of the run.
        kind
            What it is.
        operator, label
            What does it: an import path, and for people.
        params
            JSON values.
        inputs
            Input name -> reference of what it is about.
        task_id
            The task that does it, where there is one.

        Yields
        ------
        OpenEvent
            Takes what is recorded when the block ends; if it raises, the event has failed.
        """
        check_name("stage", name)
        with open_event(
            self.store.catalogue,
            self.version_id,
            name,
            kind,
            operator,
            label,
            params=params or {},
            inputs=inputs or {},
            task_id=task_id,
        ) as event:
            yield event

    def log_frame(
        self,
        intermediate: str,
        frame: pd.DataFrame,
        *,
        row_id: str | npt.ArrayLike | None = None,
        derived: bool = False,
        scheme: str | Quantizer | None = None,
    ) -> LogReport:
        """Store one frame as an intermediate of this run.

        Parameters
        ----------
        intermediate
            Its name.
        frame
            The data.
        row_id
            A column's name or an array of unique integers; see :func:`mistique_core.frames.split_row_id`.
        derived
            Whether the frame was computed from other intermediates, so that it must carry row ids.
        scheme
            ``None`` or ``"lossless"``: exactly the bytes that are logged. A lossy scheme such as ``"float16"`` or
            ``"bounded(0.1)"`` applies to the columns of floats.

        Raises
        ------
        InvalidInputError
            If the frame cannot be stored; nothing is then written.
        """
        start = time.perf_counter()
        pending = self.prepare_frame(intermediate, frame, row_id=row_id, derived=derived, scheme=scheme)
        report = self.store.committer.commit([pending])[0]
        return replace(report, seconds=time.perf_counter() - start)

    def log_frames(
        self, intermediate: str, frames: Iterable[pd.DataFrame], *, row_id: str | None = None, derived: bool = False
    ) -> LogReport:
        """Store frames that follow each other as one intermediate, with memory for a few row blocks.

        Parameters
        ----------
        intermediate
            Its name.
        frames
            At least one, all with the same columns and types, such as ``pandas.read_csv(path, chunksize=100_000)``.
            Each is asked for when those before it are stored.
        row_id
            A column's name; see :func:`mistique_core.frames.split_row_id`. Where nothing names row ids, the rows are
            numbered from 0 through all frames.
        derived
            Whether the frames were computed from other intermediates, so that they must carry row ids.

        Raises
        ------
        InvalidInputError
            If they cannot be stored, differ in their columns or types, or a row id comes twice; nothing is then kept.
        """
        check_name("intermediate", intermediate)
        what = f"frame {intermediate!r}"
        if isinstance(frames, pd.DataFrame) or not isinstance(frames, Iterable):
            raise InvalidInputError(
                f"{what} is a {type(frames).__name__}, not frames that follow each other; use log_frame, or give a list"
            )
        if row_id is not None and not isinstance(row_id, str):
            raise InvalidInputError(
                f"row_id of {what} is a {type(row_id).__name__}; name a column, or give the frames an index named "
                "'row_id'"
            )
        start = time.perf_counter()
        given = checked_frames(frames, what)
        if not derived:
            given = stream_with_row_ids(given, row_id, what, keeps_index=False)
        outputs = self.store.committer.outputs()
        streamer = self.store.frame_streamer
        with streamer.kept(self.version_id, intermediate, {"": given}, derived=derived) as streamed:
            for made in streamed.outputs.values():
                outputs.add_assembled("", made.frame, made.stored_bytes)
            for frame in streamed.empty.values():
                outputs.add_frame("", frame, row_id=None, derived=derived, what=what)
            pending = self.pending(intermediate, outputs, outputs.frames[0])

            def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> LogReport:
                end_capture(connection, streamed.opened.id)
                return pending.register(connection, unclaimed)

            report = self.store.committer.commit([Pending(outputs, register)])[0]
        return replace(report, seconds=time.perf_counter() - start)

    def log_array(
        self,
        intermediate: str,
        values: npt.NDArray[Any],
        *,
        row_id: npt.ArrayLike | None = None,
        names: Sequence[str] | None = None,
        scheme: str | Quantizer | None = None,
        block_rows: int = UNIT_BLOCK_ROWS,
    ) -> LogReport:
        """Store an array of units, such as the activations of a layer; see :meth:`Mistique.log_array`."""
        start = time.perf_counter()
        pending = self.prepare_array(
            intermediate, values, row_id=row_id, names=names, scheme=scheme, block_rows=block_rows
        )
        report = self.store.committer.commit([pending])[0]
        return replace(report, seconds=time.perf_counter() - start)

    def log_network(
        self,
        network: Any,
        input_func: Callable[[], Any],
        *,
        model_function: str | Callable[[], Any] | None = None,
        layers: str | Iterable[str] | None = None,
        scheme: Any = None,
        batch_rows: int = 1_000,
        blocks: Iterable[int] | BlockShare | None = None,
        reuse: bool = True,
        exact: bool = False,
        progress: bool | None = None,
        task_id: str | None = None,
    ) -> NetworkReport:
        """Log the layers of a network as intermediates of this run (thesis 5.3.2).

        The network is run in inference mode, by row blocks, in memory for about three of them. Layers that are known
        already are neither computed nor stored. If it is interrupted, the same call goes on at the next row block.

        Parameters
        ----------
        network
            A Keras model, functional or sequential; the path of a ``.keras`` file; or that of a ``.weights.h5`` file.
        input_func
            Returns the input: an array ``(rows, ...)``, a mapping of inputs to arrays that may hold ``row_id``, batches
            of either (a generator, a ``tf.data.Dataset``), or the key of an intermediate. It is stored first.
        model_function
            For a file of weights: what returns the model without them, a callable or ``"module:function"``.
        layers
            Names, patterns such as ``block5_*``, or types such as ``Conv2D``; default all layers.
        scheme
            A scheme for all layers; or layer, pattern or type -> scheme; default by size, see ``docs/activations.md``.
        batch_rows
            Rows of a row block, and of a forward pass.
        blocks
            Numbers of the row blocks to store (from 0), or a :class:`BlockShare`, so that several tasks can share the
            work; the last one makes the layers visible. Default all.
        reuse
            Whether layers that are stored already may be taken over, and the pass may begin at them.
        exact
            Whether the pass must not begin at lossy copies.
        progress
            Whether to show estimates and a progress bar on stderr; ``None`` means only on a terminal.
        task_id
            The task that runs this, where there is one.

        Raises
        ------
        InvalidInputError
            If network, input, layers or scheme cannot be used, or batches do not fit into memory.
        NotFoundError
            If a file, a layer or a key does not exist.
        StorageError
            If the disk cannot hold what will be stored.
        """
        from mistique_core.store.workflows import run_network

        return run_network(
            self.store,
            lambda key: self,
            network,
            input_func,
            model_function=model_function,
            layers=layers,
            scheme=scheme,
            batch_rows=batch_rows,
            blocks=blocks,
            reuse=reuse,
            exact=exact,
            progress=progress,
            task_id=task_id,
        )

    def prepare_frame(
        self,
        intermediate: str,
        frame: pd.DataFrame,
        *,
        row_id: str | npt.ArrayLike | None = None,
        derived: bool = False,
        scheme: str | Quantizer | None = None,
    ) -> Pending[LogReport]:
        """Hash a frame for a commit that waits; the parameters are those of :meth:`log_frame`."""
        check_name("intermediate", intermediate)
        outputs = self.store.committer.outputs()
        prepared = outputs.add_frame(
            "", frame, row_id=row_id, derived=derived, what=f"frame {intermediate!r}", quantizer=parse_scheme(scheme)
        )
        return self.pending(intermediate, outputs, prepared)

    def prepare_array(
        self,
        intermediate: str,
        values: npt.NDArray[Any],
        *,
        row_id: npt.ArrayLike | None = None,
        names: Sequence[str] | None = None,
        scheme: str | Quantizer | None = None,
        block_rows: int = UNIT_BLOCK_ROWS,
    ) -> Pending[LogReport]:
        """Hash an array for a commit that waits; the parameters are those of :meth:`log_array`."""
        check_name("intermediate", intermediate)
        what = f"array {intermediate!r}"
        if values.ndim < 2:
            shapes = "(rows, units) or (rows, height, width, units)"
            raise InvalidInputError(f"{what} has shape {values.shape}; give {shapes}")
        ids = np.arange(len(values), dtype=np.int64) if row_id is None else check_row_id(np.asarray(row_id), what)
        if len(ids) != len(values):
            raise InvalidInputError(f"{what} has {len(values)} rows but {len(ids)} row ids; give one a row")
        units = [str(unit) for unit in range(values.shape[-1])] if names is None else [str(name) for name in names]
        if len(units) != values.shape[-1] or len(set(units)) < len(units):
            names_given = len(set(units))
            raise InvalidInputError(f"{what} has {values.shape[-1]} units and {names_given} names; give each its own")
        for name in units:
            check_name("column", name)
        outputs = self.store.committer.outputs()
        prepared = outputs.add_units(
            "", values, names=units, row_ids=ids, quantizer=parse_scheme(scheme), block_rows=block_rows
        )
        return self.pending(intermediate, outputs, prepared)

    def pending(
        self, intermediate: str, outputs: OutputSet, prepared: PreparedFrame, stage_id: int | None = None
    ) -> Pending[LogReport]:
        """Return a hashed frame as a commit that waits, for an intermediate of this run (of a stage, if named)."""

        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> LogReport:
            new = sum(any(item[2] in unclaimed for item in column.chunks) for column in prepared.versions)
            ids, _, added = outputs.register(
                connection, unclaimed, model_version_id=self.version_id, stage_id=stage_id, name=intermediate
            )
            ref = IntermediateRef(self.project, self.model, self.version, intermediate, prepared.rows, ids[""])
            return LogReport(ref, len(prepared.layout.names), prepared.logical_bytes, added[""], new, 0.0)

        return Pending(outputs, register)
