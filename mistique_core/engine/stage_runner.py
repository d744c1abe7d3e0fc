"""Run one stage of a workflow: probe for reuse, load inputs, execute, store, record.

The stage's facts and outputs become visible in one transaction before the caller goes on, so that
a task which succeeded has been recorded, and one that was killed left nothing half-written.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pandas as pd
import sqlalchemy as sa

from mistique_core import telemetry
from mistique_core.catalogue.captures import end_capture
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import IntermediateRecord, intermediate_by_id, intermediates_of_stage
from mistique_core.catalogue.named_lock import named_lock
from mistique_core.catalogue.open_writes import hold_shared
from mistique_core.catalogue.stages import (
    StageSeconds,
    begin_stage,
    find_reusable,
    finish_stage,
    fitted_by_id,
    fitted_of_stage,
    run_of_stage,
    take_over_outputs,
)
from mistique_core.catalogue.tables import chunk, fitted
from mistique_core.catalogue.transformers import MadeTransformer, add_transformers
from mistique_core.catalogue.values import metrics_of_stage
from mistique_core.config import StoreConfig
from mistique_core.engine.commit import Committer, Pending
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.recent_columns import RecentColumns
from mistique_core.engine.stage_failure import record_failure
from mistique_core.engine.stage_input import lazy_frame, obtain
from mistique_core.engine.stage_place import StagePlace
from mistique_core.engine.stored_frame import StoredFrame
from mistique_core.engine.streamed_outputs import FrameStreamer, StoredStreams
from mistique_core.engine.streamed_stage import NotInBlocksError, StageStreamer
from mistique_core.errors import InvalidInputError
from mistique_core.fitted.facts import fit_facts
from mistique_core.frames import LazyFrame
from mistique_core.lineage import library_versions, stage_code_hash, stage_identity
from mistique_core.model import (
    BlockShare,
    FitFacts,
    IntermediateRef,
    Ref,
    Stage,
    StageKind,
    StageResult,
    TransformerEntity,
)
from mistique_core.model.names import check_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageOutcome:
    """What running a stage did.

    Attributes
    ----------
    outputs
        Output name -> reference; "" names the only frame.
    reused
        Whether the outputs were taken over from an earlier stage instead of executing.
    seconds
        Wall time of the call.
    logical_bytes, stored_bytes
        Bytes of the output frames, and bytes that they added to the store.
    metrics
        Metric name -> value.
    """

    outputs: dict[str, Ref]
    reused: bool
    seconds: float
    logical_bytes: int
    stored_bytes: int
    metrics: dict[str, float]


@dataclass
class _Loaded:
    """The inputs of a stage.

    Attributes
    ----------
    values
        Input name -> frame or fitted object.
    transformer_seconds
        What loading the fitted objects took.
    first_seconds
        What loading the frames took before the stage began.
    sources
        The frames whose columns are read while it runs.
    """

    values: dict[str, Any] = field(default_factory=dict)
    transformer_seconds: float = 0.0
    first_seconds: float = 0.0
    sources: list[StoredFrame] = field(default_factory=list)

    @property
    def read_seconds(self) -> float:
        """What loading the frames has taken so far."""
        return self.first_seconds + sum(source.seconds for source in self.sources)


class StageRunner:
    """Runs stages against one store.

    Parameters
    ----------
    catalogue, committer, config
        The store.
    reader
        Reads inputs.
    streamed
        Reads inputs of stages that run row block by row block, which pass through it once.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        committer: Committer,
        reader: FrameReader,
        streamed: FrameReader,
        config: StoreConfig,
    ) -> None:
        self._catalogue = catalogue
        self._committer = committer
        self._reader = reader
        self._config = config
        self._recent = RecentColumns(config.cache_bytes)
        self._streamer = StageStreamer(catalogue, committer, streamed, config)
        self._streams = FrameStreamer(catalogue, committer, config.block_rows)

    def run(
        self,
        place: StagePlace,
        item: Stage,
        inputs: Mapping[str, Ref],
        *,
        reuse: bool = True,
        wait_for_equal: bool = False,
        blocks: BlockShare | None = None,
    ) -> StageOutcome:
        """Run one stage.

        Parameters
        ----------
        place
            The model version and name under which it is recorded.
        item
            The stage.
        inputs
            Input name -> reference.
        reuse
            Whether outputs of an earlier stage with the same fingerprint may be taken over.
        wait_for_equal
            Whether to wait for a stage with the same fingerprint that runs now and does this too, whatever process it
            is in, and then take over its outputs: of several that start together, one is executed.
        blocks
            Row blocks to do, where other tasks do the others; the last one makes the outputs visible.

        Raises
        ------
        MistiqueError
            If the outputs cannot be stored; the stage is then recorded as failed.
        Exception
            Whatever the stage itself raises; recorded as its error.
        """
        check_name("stage", place.name)
        started = time.perf_counter()
        with self._catalogue.read() as connection:
            addresses = {name: _input_address(connection, ref) for name, ref in inputs.items()}
        stage_id = self._begin(place, item, inputs)
        try:
            identity = stage_identity(item, addresses)
            if blocks is not None:
                shared = self._share(place, stage_id, item, inputs, identity, blocks, reuse=reuse)
                if shared is None:
                    return self._outcome(place.name, stage_id, True, started)
                return self._outcome(place.name, shared, shared != stage_id, started)
            if reuse and identity is not None and self._take_over(place, stage_id, identity):
                return self._outcome(place.name, stage_id, True, started)
            if not (wait_for_equal and reuse and identity is not None and item.deterministic):
                made = self._execute(place, stage_id, item, inputs, identity)
            else:
                found = self._taken_over_or_executed(place, stage_id, item, inputs, identity)
                if found is None:
                    return self._outcome(place.name, stage_id, True, started)
                made = found
        except BaseException as error:
            record_failure(self._catalogue, stage_id, error)
            raise
        return self._outcome(place.name, made, made != stage_id, started)

    def _taken_over_or_executed(
        self, place: StagePlace, stage_id: int, item: Stage, inputs: Mapping[str, Ref], identity: str
    ) -> int | None:
        """Execute a stage, and return which one has the outputs; ``None`` if those of an equal one were taken over."""
        with named_lock(self._catalogue, f"stage {identity}"):
            if self._take_over(place, stage_id, identity):
                return None
            return self._execute(place, stage_id, item, inputs, identity)

    def _share(
        self,
        place: StagePlace,
        stage_id: int,
        item: Stage,
        inputs: Mapping[str, Ref],
        identity: str | None,
        blocks: BlockShare,
        *,
        reuse: bool,
    ) -> int | None:
        """Do some row blocks; return the stage that has the outputs, or this one while others are to come.

        ``None`` where this stage has taken over those of another run.
        """
        plan = self._streamer.plan(item, inputs, blocks)
        if identity is not None:
            with named_lock(self._catalogue, f"stage {identity}"):
                made = self._streamer.finished_by_others(place, stage_id, identity)
                if made is not None:
                    return made
                if reuse and self._take_over(place, stage_id, identity):
                    if plan is not None:
                        self._streamer.forget(place, plan, identity)
                    return None
                if plan is None:
                    return self._execute(place, stage_id, item, inputs, identity)
        _import_packages(item)
        if plan is None:
            return self._execute(place, stage_id, item, inputs, identity)
        return self._streamer.run(place, stage_id, item, plan, identity, blocks)

    def _begin(self, place: StagePlace, item: Stage, inputs: Mapping[str, Ref]) -> int:
        functions = tuple(item.functions())
        with self._catalogue.write() as connection:
            return begin_stage(
                connection,
                model_version_id=place.model_version_id,
                name=place.name,
                task_id=place.task_id,
                map_index=place.map_index,
                operator=item.import_path(),
                label=item.label(),
                params=item.params(),
                code_hash=stage_code_hash(item),
                libraries=library_versions(functions, tuple(item.packages())),
                inputs=inputs,
                kind=StageKind.READ if item.is_source and item.kind is StageKind.TRANSFORM else item.kind,
                parent_id=place.parent_id,
            )

    def _take_over(self, place: StagePlace, stage_id: int, fingerprint: str) -> bool:
        with self._catalogue.read() as connection:
            if find_reusable(connection, fingerprint) is None:
                return False  # told without waiting for other writers
        with self._catalogue.write() as connection:
            hold_shared(connection)  # so that what is taken over is not deleted meanwhile
            source = find_reusable(connection, fingerprint)
            if source is None:
                return False
            take_over_outputs(connection, source, stage_id, place.model_version_id, place.name)
        log.info("stage %s: reused, the same code ran on the same inputs before (stage %d)", place.name, source)
        return True

    def _execute(
        self, place: StagePlace, stage_id: int, item: Stage, inputs: Mapping[str, Ref], identity: str | None
    ) -> int:
        """Execute a stage; return which one has the outputs: this one, or that of another try at the same time."""
        _import_packages(item)
        plan = self._streamer.plan(item, inputs, None)
        if plan is not None:
            try:
                return self._streamer.run(place, stage_id, item, plan, identity, None)
            except NotInBlocksError as error:
                log.warning("stage %s runs with all rows in memory: %s", place.name, error)
        loaded = self._load_inputs(inputs, lazy=item.lazy)
        deterministic = item.deterministic
        start, before = time.perf_counter(), loaded.read_seconds
        result = item.execute(loaded.values)
        executed, read = time.perf_counter(), loaded.read_seconds
        execute_seconds = executed - start - (read - before)
        about = inputs.get(result.metrics_input or "")
        given = [name for name, ref in inputs.items() if isinstance(ref, IntermediateRef)]
        outputs = self._prepare(place, item, result)  # what cannot be stored is refused before anything is streamed
        with self._streamed(place, item, result, outputs) as streamed:
            making = 0.0 if streamed is None else streamed.seconds - (loaded.read_seconds - read)
            needs = {frame.output: item.needs(frame.output, given) for frame in outputs.frames}

            def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> None:
                if streamed is not None:
                    end_capture(connection, streamed.opened.id)
                outputs.register(
                    connection, unclaimed, model_version_id=place.model_version_id, stage_id=stage_id, name=place.name
                )
                for output in result.about.keys() - result.fitted.keys():
                    entity = TransformerEntity(result.about[output])
                    add_transformers(
                        connection, run_of_stage(connection, stage_id), [MadeTransformer(entity, stage_id, output)]
                    )
                reading = loaded.read_seconds  # columns that came out untouched may have been read to be stored
                storing = time.perf_counter() - executed - (reading - read) - making
                finish_stage(
                    connection,
                    stage_id,
                    StageSeconds(reading, loaded.transformer_seconds, execute_seconds + making, storing),
                    fingerprint=identity if deterministic else None,
                    deterministic=deterministic,
                    hyperparameters=result.hyperparameters,
                    metrics=result.metrics,
                    metrics_intermediate=about.id if isinstance(about, IntermediateRef) else None,
                    needs=needs,
                    facts=item.facts(),
                )

            self._committer.commit([Pending(outputs, register)])
        self._remember(outputs, result)
        return stage_id

    def _remember(self, outputs: OutputSet, result: StageResult) -> None:
        """Keep what was computed in memory for the next stage."""
        for prepared in outputs.frames:
            if prepared.output not in result.frames:
                continue  # it came in parts
            frame = result.frames[prepared.output]
            untouched = frame.untouched() if isinstance(frame, LazyFrame) else None
            unread = set() if untouched is None else set(untouched[1])
            for name, version in zip(prepared.layout.names, prepared.versions, strict=True):
                if name not in unread and prepared.layout.members is None:
                    self._recent.put(version.address, frame[name])

    def _load_inputs(self, inputs: Mapping[str, Ref], *, lazy: bool) -> _Loaded:
        loaded = _Loaded()
        with self._catalogue.read() as connection:
            for name, ref in inputs.items():
                start = time.perf_counter()
                if isinstance(ref, IntermediateRef):
                    frame = self._frame(connection, _resolve(connection, ref), lazy=lazy)
                    loaded.values[name] = frame
                    loaded.first_seconds += time.perf_counter() - start
                    if isinstance(frame, LazyFrame) and (source := frame.untouched()) is not None:
                        loaded.sources.append(cast("StoredFrame", source[0]))
                else:
                    loaded.values[name] = self._reader.fitted(connection, fitted_by_id(connection, ref.id))
                    loaded.transformer_seconds += time.perf_counter() - start
        return loaded

    def _frame(self, connection: sa.Connection, record: IntermediateRecord, *, lazy: bool) -> pd.DataFrame:
        if not lazy:
            return obtain(connection, record, self._reader)
        return lazy_frame(connection, record, self._reader, self._catalogue.read, self._config.block_rows, self._recent)

    @contextmanager
    def _streamed(
        self, place: StagePlace, item: Stage, result: StageResult, outputs: OutputSet
    ) -> Iterator[StoredStreams | None]:
        """Store the outputs that come in parts, and add them to the others; they are given up if the block fails."""
        if not result.streams:
            yield None
            return
        derived = not item.is_source
        with self._streams.kept(place.model_version_id, place.name, result.streams, derived=derived) as streamed:
            for name, made in streamed.outputs.items():
                outputs.add_assembled(name, made.frame, made.stored_bytes)
            for name, frame in streamed.empty.items():
                outputs.add_frame(name, frame, row_id=None, derived=derived, what=f"an output of stage {place.name!r}")
            yield streamed

    def _prepare(self, place: StagePlace, item: Stage, result: StageResult) -> OutputSet:
        if not (result.frames or result.fitted or result.metrics or result.streams):
            raise InvalidInputError(
                f"stage {place.name!r} returned nothing to record; return a DataFrame, a fitted object or metrics"
            )
        for name in result.streams:
            if name:
                check_name("output", name)
        outputs = self._committer.outputs()
        for name, frame in result.frames.items():
            what = f"the output {name!r} of stage {place.name!r}" if name else f"the output of stage {place.name!r}"
            outputs.add_frame(name, frame, row_id=None, derived=not item.is_source, what=what)
        for name, value in result.fitted.items():
            outputs.add_fitted(name, value, result.about.get(name) or _facts_of(value))
        return outputs

    def _outcome(self, name: str, stage_id: int, reused: bool, started: float) -> StageOutcome:
        outputs: dict[str, Ref] = {}
        with self._catalogue.read() as connection:
            made = intermediates_of_stage(connection, stage_id)
            outputs.update((record.output, record.ref) for record in made)
            for record in fitted_of_stage(connection, stage_id):
                outputs[record.ref.name] = record.ref
            metrics = metrics_of_stage(connection, stage_id)
        outcome = StageOutcome(
            outputs,
            reused,
            time.perf_counter() - started,
            sum(record.logical_bytes for record in made),
            sum(record.stored_bytes for record in made),
            metrics,
        )
        telemetry.report(
            "stage",
            stage=name,
            outcome="reused" if reused else "executed",
            seconds=outcome.seconds,
            logical_bytes=outcome.logical_bytes,
            stored_bytes=outcome.stored_bytes,
        )
        return outcome


def _facts_of(value: Any) -> FitFacts | None:
    """Return what ModelDB records of a fitted object; that it cannot be told fails nobody's task."""
    if not (hasattr(value, "get_params") and hasattr(value, "fit")):
        return None
    try:
        return fit_facts(value)
    except Exception:  # estimators are anybody's code
        log.exception("nothing but its type is recorded of a fitted %s", type(value).__name__)
        return None


def _import_packages(item: Stage) -> None:
    """Import what a stage uses before it is timed: a re-run in a warm process does not pay for it."""
    for package in item.imports():
        try:
            importlib.import_module(package)
        except ImportError:
            log.debug("stage %s names the package %s, which is not installed", item.label(), package)


def _resolve(connection: sa.Connection, ref: IntermediateRef) -> IntermediateRecord:
    """Return the intermediate behind a reference of this store."""
    record = intermediate_by_id(connection, ref.id)
    if record.ref != ref:
        raise _foreign(ref)
    return record


def _foreign(ref: Ref) -> InvalidInputError:
    return InvalidInputError(f"{ref} belongs to another store; give both tasks the same mistique_conn_id")


def _input_address(connection: sa.Connection, ref: Ref) -> str:
    """Return the content address of what a reference points to, in hex."""
    if isinstance(ref, IntermediateRef):
        return _resolve(connection, ref).address.hex()
    if fitted_by_id(connection, ref.id).ref != ref:
        raise _foreign(ref)
    query = sa.select(chunk.c.address).join(fitted, fitted.c.chunk_id == chunk.c.id).where(fitted.c.id == ref.id)
    address = connection.scalar(query)
    if address is None:
        raise InvalidInputError(f"fitted object {ref.name!r} ({ref.id}) is not in the catalogue; run its stage again")
    return bytes(address).hex()
