"""Logging every layer of a network: the input once, then row block by row block (thesis 5.3.2, 5.4.1, 5.4.2)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.captures import (
    CapturedBlock,
    CaptureEndedError,
    OpenCapture,
    beat,
    check_open,
    find_capture,
    has_capture_of,
    load_blocks,
    open_capture,
    save_blocks,
    saved_numbers,
)
from mistique_core.catalogue.intermediates import LOSSLESS, IntermediateRecord, intermediate_by_id
from mistique_core.cores import usable_cores
from mistique_core.dedup import json_hash
from mistique_core.engine.stored_array import StoredArray
from mistique_core.engine.unit_stream import UnitCodec, sample_rows
from mistique_core.errors import InvalidInputError
from mistique_core.model import BlockShare
from mistique_core.networks.capture_plan import CapturePlan, StoredCopy, recorded_calls
from mistique_core.networks.capture_progress import CaptureProgress
from mistique_core.networks.capture_state import CaptureState
from mistique_core.networks.estimate import LayerEstimate, check_disk, check_memory, estimate_stored, table_of
from mistique_core.networks.fingerprints import Fingerprints, stored_fingerprint
from mistique_core.networks.forward import CallSeconds, Encoder, Network
from mistique_core.networks.graph import Call, Graph, ancestors
from mistique_core.networks.held_rows import HeldRows, RowSource
from mistique_core.networks.layer_record import CapturedLayer, LayerRecorder, RecordedLayer
from mistique_core.networks.layer_stage import LayerStage
from mistique_core.networks.traced_calls import TracedCalls
from mistique_core.networks.weights import NetworkWeights
from mistique_core.planner.plan import format_bytes
from mistique_core.quantizers import LowPrecision, Pool, Quantizer, Threshold
from mistique_core.store.network_report import LayerReport, State

if TYPE_CHECKING:
    from mistique_core.store import Mistique, Run

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
UNFITTED_SAMPLE_ROWS = 32
SAMPLE_ROWS = 256
PERCENTILE_SAMPLE_ROWS = 1_000
LEAST_SAMPLE_ROWS = 16
SAMPLE_BYTES = 512 * 1024 * 1024
_NO_TIME = CallSeconds(0.0, 0.0)


@dataclass(frozen=True)
class CaptureRequest:
    """What is to be logged.

    Attributes
    ----------
    graph, weights
        The network.
    wanted
        Tensors, in the graph's order.
    schemes
        Tensor -> scheme.
    fingerprints
        Of all tensors.
    rows, batch_rows
        Rows of the input and of a row block.
    exact, reuse
        As they were asked for.
    """

    graph: Graph
    weights: NetworkWeights
    wanted: Sequence[str]
    schemes: Mapping[str, Quantizer | None]
    fingerprints: Fingerprints
    rows: int
    batch_rows: int
    exact: bool
    reuse: bool

    def text(self, name: str) -> str:
        """Return the text of a tensor's scheme."""
        scheme = self.schemes[name]
        return LOSSLESS if scheme is None else scheme.text()

    @property
    def blocks(self) -> int:
        """Number of row blocks."""
        return -(-self.rows // self.batch_rows)

    @property
    def key(self) -> str:
        """What tells this capture from others, whatever the store holds: equal ones give the same layers."""
        wanted = {name: [self.fingerprints.identities[name], self.text(name)] for name in self.wanted}
        return json_hash({"wanted": wanted, "rows": [self.rows, self.batch_rows], "how": [self.exact, self.reuse]})


class Capture:
    """One call that logs a network, after its input is stored.

    Parameters
    ----------
    store, run
        Where it logs to.
    request, plan
        What it logs, and how.
    plan_again
        Given the tensors to store and those to begin with, returns the plan: for going on with a capture as it began.
    inputs
        Input -> its intermediate.
    held
        Input -> its rows, where they lie in memory.
    traced
        Compiles the network's calls.
    task_id
        The task that runs it, where there is one.
    progress
        Whether to draw a progress bar; ``None`` means only on a terminal.
    """

    def __init__(
        self,
        store: Mistique,
        run: Run,
        request: CaptureRequest,
        plan: CapturePlan,
        plan_again: Callable[[Sequence[str], Sequence[str]], CapturePlan],
        inputs: Mapping[str, IntermediateRecord],
        *,
        held: Mapping[str, HeldRows],
        traced: TracedCalls,
        task_id: str | None,
        progress: bool | None,
    ) -> None:
        self._store = store
        self._run = run
        self._request = request
        self._plan = plan
        self._plan_again = plan_again
        self._inputs = inputs
        self._held = held
        self._traced = traced
        self._progress = progress
        self._recorder = LayerRecorder(store, run, request.weights, task_id)
        self.captured_blocks = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes that the weights have added."""
        return self._recorder.weight_bytes

    def execute(
        self, starts: Mapping[str, StoredCopy], blocks: Iterable[int] | BlockShare | None
    ) -> tuple[LayerReport, ...]:
        """Store what is missing and make the layers visible, unless row blocks are left to others.

        Parameters
        ----------
        starts
            Tensors that are read from copies of the store.
        blocks
            The row blocks to store; ``None`` for all.

        Raises
        ------
        StorageError
            If the disk cannot hold what will be stored, or bytes cannot be written.
        InvalidInputError
            If batches do not fit into memory, or a layer cannot be stored.
        """
        if blocks is not None and self._is_recorded():
            return self._reports(None, {}, "stored")
        opened = self._find_open()
        if opened is None and not self._plan.stored:
            return self._record(None, None, [])
        if opened is None:
            opened = self._begin(starts)
        state = CaptureState.from_bytes(opened.document)
        if (state.stored, state.starts) != (self._plan.stored, self._plan.starts):
            self._plan = self._plan_again(state.stored, state.starts)
        try:
            if blocks is None:
                self._recorder.encode_weights(self._layers_with_weights())
            self._store_blocks(opened, state, self._open_starts(starts), self._numbers(opened, blocks))
            with self._store.catalogue.read() as connection:
                check_open(connection, opened.id)
                saved = load_blocks(connection, opened.id)
            if len(saved) < self._request.blocks:
                return self._reports(state, {}, "pending")
            return self._record(opened, state, saved)
        except CaptureEndedError:
            if not self._is_recorded():
                raise
            log.info("%s.%s: other tasks have stored the rest", self._run.project, self._run.model)
            return self._reports(state, {}, "stored")
        finally:
            self._recorder.close()

    def _layers_with_weights(self) -> list[int]:
        """Return the layers whose weights the stages to be recorded need."""
        graph, wanted = self._request.graph, self._request.wanted
        return list(dict.fromkeys(call.layer for name in wanted for call in recorded_calls(graph, name, wanted)))

    def _is_recorded(self) -> bool:
        """Whether another task that shares the row blocks has recorded the layers for this run already."""
        last = self._request.wanted[-1]
        identity = self._request.fingerprints.identities[last]
        with self._store.catalogue.read() as connection:
            return has_capture_of(connection, self._run.version_id, last, identity)

    def _find_open(self) -> OpenCapture | None:
        """Return the capture if it has begun, with a sign of life."""
        with self._store.catalogue.write() as connection:
            opened = find_capture(connection, self._run.version_id, self._request.key)
            if opened is not None:
                beat(connection, opened.id)
                log.info("going on with an open capture of %s.%s", self._run.project, self._run.model)
            return opened

    def _open_starts(self, starts: Mapping[str, StoredCopy]) -> dict[str, RowSource]:
        reader, read = self._store.frame_reader, self._store.catalogue.read
        records = {name: record for name, record in self._inputs.items() if name in self._plan.starts}
        with read() as connection:
            for name in self._plan.starts:
                if name not in records:
                    records[name] = intermediate_by_id(connection, starts[name].intermediate)
        return {name: self._held.get(name) or StoredArray(reader, read, record) for name, record in records.items()}

    def _begin(self, starts: Mapping[str, StoredCopy]) -> OpenCapture:
        """Fit the schemes, show what the capture will take, and begin it."""
        began_at = time.time()
        state = self._fit(self._new_network(), self._open_starts(starts), began_at)
        with self._store.catalogue.write() as connection:
            return open_capture(connection, self._run.version_id, self._request.key, state.to_bytes())

    def _new_network(self) -> Network:
        return Network(self._request.graph, self._plan.calls, self._plan.stored, self._traced)

    def _fit(self, network: Network, arrays: Mapping[str, RowSource], began_at: float) -> CaptureState:
        request = self._request

        def take(rows: npt.NDArray[np.intp]) -> dict[str, Array]:
            return {name: array.take(rows) for name, array in arrays.items()}

        first = network.one_row(take(np.zeros(1, np.intp)))
        alone = dict(network.seconds)
        row_bytes = sum(values.nbytes for values in first.values())
        check_memory(row_bytes * request.batch_rows, request.batch_rows)
        most = max(_sample_rows_of(request.schemes[name]) for name in self._plan.stored)
        rows = sample_rows(request.rows, max(min(most, SAMPLE_BYTES // max(row_bytes, 1)), LEAST_SAMPLE_ROWS))
        sample, row_seconds = network.sample(take, rows.astype(np.intp), request.batch_rows)
        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="mistique-fit") as pool:
            fitted = list(pool.map(lambda name: self._fit_one(name, sample[name]), self._plan.stored))
        codecs = dict(zip(self._plan.stored, (codec for codec, _ in fitted), strict=True))
        self._show([estimate for _, estimate in fitted])
        return CaptureState(
            codecs,
            {name: tuple(values.shape[1:]) for name, values in sample.items()},
            {name: CallSeconds(taken, alone[name]) for name, taken in row_seconds.items()},
            self._plan.stored,
            self._plan.starts,
            self._plan.origin,
            frozenset(name for name in sample if not _is_alike(first[name][0], sample[name][0])),
            began_at,
        )

    def _fit_one(self, name: str, sample: Array) -> tuple[UnitCodec, LayerEstimate]:
        request = self._request
        try:
            codec = UnitCodec.fit(sample, request.schemes[name], request.batch_rows)
            codec.check_batch(request.batch_rows)
        except InvalidInputError as error:
            raise InvalidInputError(f"layer {name!r}: {error}") from error
        return codec, self._estimate(name, codec, sample)

    def _estimate(self, name: str, codec: UnitCodec, sample: Array) -> LayerEstimate:
        request = self._request
        row = math.prod(sample.shape[1:]) * sample.itemsize
        stored = estimate_stored(codec, sample, request.rows, self._store.config.zstd_level)
        label = request.graph.producers()[name].label
        return LayerEstimate(name, label, request.text(name), tuple(sample.shape[1:]), row * request.rows, stored)

    def _show(self, estimates: list[LayerEstimate]) -> None:
        stored = sum(item.stored_bytes for item in estimates)
        logical = sum(item.logical_bytes for item in estimates)
        line = (
            f"{len(estimates)} layers, {self._request.rows} rows: {format_bytes(logical)} of values, "
            f"about {format_bytes(stored)} stored"
        )
        log.info("%s", line)
        CaptureProgress(self._request.rows, self._progress).show(table_of(estimates), line)
        check_disk(self._store.config.folder, stored)

    def _numbers(self, opened: OpenCapture, blocks: Iterable[int] | BlockShare | None) -> list[int]:
        """Return the row blocks that are left to do."""
        all_blocks = range(self._request.blocks)
        if isinstance(blocks, BlockShare):
            blocks = blocks.of(len(all_blocks), "the input")
        wanted = list(all_blocks) if blocks is None else sorted({int(block) for block in blocks})
        beyond = [block for block in wanted if block not in all_blocks]
        if beyond:
            raise InvalidInputError(
                f"row block {beyond[0]} does not exist: {self._request.rows} rows are {len(all_blocks)} blocks of "
                f"{self._request.batch_rows}, numbered from 0"
            )
        with self._store.catalogue.read() as connection:
            saved = saved_numbers(connection, opened.id)
        return [block for block in wanted if block not in saved]

    def _store_blocks(
        self, opened: OpenCapture, state: CaptureState, arrays: Mapping[str, RowSource], numbers: Sequence[int]
    ) -> None:
        """Run the network over row blocks, and register them as partitions fill."""
        request = self._request
        network = self._new_network()
        rows_of = {block: min(request.batch_rows, request.rows - block * request.batch_rows) for block in numbers}
        total = sum(rows_of.values())
        row = sum(math.prod(state.shapes[name]) * codec.dtype.itemsize for name, codec in state.codecs.items())
        write = self._store.committer.blocks()
        done: list[tuple[int, CapturedBlock]] = []

        def register() -> None:
            addresses = [chunk[3] for _, block in done for rows in block.values() for chunk in rows.chunks]
            write.register(lambda connection: save_blocks(connection, opened.id, done), addresses)
            done.clear()

        def finish_block(number: int, block: CapturedBlock) -> None:
            done.append((number, block))
            self.captured_blocks += 1
            bar.finish(rows_of[number])
            if write.is_due:
                register()

        try:
            with (
                CaptureProgress(total, self._progress) as bar,
                Encoder(request.graph, state.codecs, state.shapes, write, bar.store, finish_block) as encoder,
            ):
                for block in numbers:
                    first, rows = block * request.batch_rows, rows_of[block]
                    given = {name: array.slice(first, first + rows) for name, array in arrays.items()}
                    for name, value in network.run(given):
                        encoder.submit(block, name, first, rows, value, row * request.batch_rows)
                        del value
                encoder.finish()
                if done:
                    register()
        finally:
            write.close()

    def _record(
        self, opened: OpenCapture | None, state: CaptureState | None, blocks: Sequence[CapturedBlock]
    ) -> tuple[LayerReport, ...]:
        first = next(iter(self._inputs.values()))
        row_ids = StoredArray(self._store.frame_reader, self._store.catalogue.read, first).row_ids()
        layers = [self._layer(name, state) for name in self._request.wanted]
        refs = {name: record.ref for name, record in self._inputs.items()}
        capture_id = None if opened is None else opened.id
        began_at = time.time() if state is None else state.began_at
        recorded = self._recorder.record(layers, refs, row_ids, blocks, capture_id, began_at)
        return self._reports(state, recorded, "stored")

    def _layer(self, name: str, state: CaptureState | None) -> CapturedLayer:
        request, plan = self._request, self._plan
        calls = recorded_calls(request.graph, name, request.wanted)
        origin = self._origin_of(ancestors(request.graph, [name], plan.starts), state) if name in plan.stored else {}
        stage = LayerStage.of(calls, request.graph.tensors, {"": name}, origin, request.batch_rows)
        times = [] if state is None else [state.seconds.get(call.name, _NO_TIME) for call in calls]
        seconds = CallSeconds(sum(item.row for item in times), sum(item.call for item in times))
        repeatable = state is None or name not in state.dependent
        values = request.fingerprints.values(name) if repeatable else None
        fingerprint = stored_fingerprint(values, request.text(name), origin)
        codec = None if state is None else state.codecs.get(name)
        source = plan.reused.get(name)
        return CapturedLayer(name, stage, request.text(name), fingerprint, source, codec, seconds, repeatable)

    @staticmethod
    def _origin_of(calls: Sequence[Call], state: CaptureState | None) -> dict[str, str]:
        """Return the lossy copies among what some calls begin with."""
        origin = {} if state is None else state.origin
        given = {name for call in calls for name in call.inputs}
        return {name: scheme for name, scheme in origin.items() if name in given}

    def _reports(
        self, state: CaptureState | None, recorded: Mapping[str, RecordedLayer], otherwise: State
    ) -> tuple[LayerReport, ...]:
        found = []
        producers = self._request.graph.producers()
        for name in self._request.wanted:
            call = producers[name]
            shape = () if state is None else state.shapes.get(name, ())
            shape = shape or tuple(size or 0 for size in self._request.graph.tensors[name].shape)
            taken = 0.0 if state is None else state.seconds.get(call.name, _NO_TIME).row * self._request.rows
            sizes = recorded.get(name, RecordedLayer(0, 0))
            status: State = "reused" if name in self._plan.reused else otherwise
            found.append(
                LayerReport(
                    name,
                    call.label,
                    self._request.text(name),
                    status,
                    shape,
                    sizes.logical_bytes,
                    sizes.stored_bytes,
                    taken,
                )
            )
        return tuple(found)


def _is_alike(alone: Array, among_others: Array) -> bool:
    """Whether a row that ran alone gave what it gave among others, but for rounding."""
    if alone.shape != among_others.shape:
        return False
    if alone.dtype.kind != "f":
        return bool(np.array_equal(alone, among_others))
    largest = float(np.abs(among_others[np.isfinite(among_others)]).max(initial=0.0))
    return bool(np.allclose(alone, among_others, rtol=1e-3, atol=1e-3 * largest, equal_nan=True))


def _sample_rows_of(quantizer: Quantizer | None) -> int:
    """Return how many rows a scheme is fitted to: a high percentile needs most, what is not fitted a few for timing."""
    if isinstance(quantizer, Pool):
        return _sample_rows_of(quantizer.then)
    if quantizer is None or isinstance(quantizer, LowPrecision):
        return UNFITTED_SAMPLE_ROWS
    return PERCENTILE_SAMPLE_ROWS if isinstance(quantizer, Threshold) else SAMPLE_ROWS
