"""The forward pass over row blocks: each layer's output is encoded while the next layers run."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.captures import CapturedBlock, CapturedRows
from mistique_core.cores import usable_cores
from mistique_core.engine.block_write import BlockWrite
from mistique_core.engine.chunk_writer import WholeChunk
from mistique_core.engine.unit_stream import EncodedRows, UnitCodec
from mistique_core.networks.calls import Value, to_array
from mistique_core.networks.graph import Call, Graph
from mistique_core.networks.pooled_call import GraphPooling, can_pool, not_negative
from mistique_core.networks.traced_calls import TracedCalls

Array = npt.NDArray[Any]
_MOST_THREADS = 8


@dataclass(frozen=True)
class CallSeconds:
    """What a call of a layer takes, measured without anything else running.

    Attributes
    ----------
    row
        A row of a large batch.
    call
        A batch of one row.
    """

    row: float
    call: float


class Network:
    """The calls of a capture, compiled.

    Parameters
    ----------
    graph
        The network.
    calls
        Those that run, in order.
    kept
        Tensors whose values are wanted.
    traced
        Compiles them.
    """

    def __init__(self, graph: Graph, calls: Sequence[Call], kept: Sequence[str], traced: TracedCalls) -> None:
        self._graph = graph
        self._kept = set(kept)
        self.calls = [(call, traced.of(call)) for call in calls]
        self.seconds: dict[str, float] = {}

    def run(self, inputs: Mapping[str, Array]) -> Iterator[tuple[str, Value]]:
        """Yield (tensor, value) of the kept tensors as soon as they are there; others are let go when they can be.

        Parameters
        ----------
        inputs
            Tensor -> array of some rows.
        """
        import tensorflow as tf

        waiting = Counter(name for call, _ in self.calls for name in call.inputs)
        rows = len(next(iter(inputs.values())))
        values: dict[str, Value] = {}
        for name, array in inputs.items():
            spec = self._graph.tensors[name]
            given = array if spec.shape else array.reshape(rows)
            values[name] = (tf.constant(given, spec.dtype), None)
        for call, function in self.calls:
            start = time.perf_counter()
            outputs = function([values[name] for name in call.inputs])
            self.seconds[call.name] = time.perf_counter() - start
            for name in call.inputs:
                waiting[name] -= 1
                if not waiting[name]:
                    values.pop(name, None)
            for name, value in zip(call.outputs, outputs, strict=True):
                if waiting[name]:
                    values[name] = value
                if name in self._kept:
                    yield name, value
            del outputs

    def one_row(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the kept tensors of a single row; afterwards `seconds` says what that takes.

        Parameters
        ----------
        inputs
            Tensor -> array of one row.
        """
        deque(self.run(inputs), maxlen=0)  # the first time compiles
        return {name: to_array(name, value, 1) for name, (value, _) in self.run(inputs)}

    def sample(
        self, take: Callable[[npt.NDArray[np.intp]], Mapping[str, Array]], rows: npt.NDArray[np.intp], at_once: int
    ) -> tuple[dict[str, Array], dict[str, float]]:
        """Return the kept tensors of a sample, and the seconds that a row takes in each call.

        Parameters
        ----------
        take
            Returns tensor -> array of some rows.
        rows
            The rows of the sample.
        at_once
            Most rows of a batch.
        """
        pieces: dict[str, list[Array]] = {}
        seconds: Counter[str] = Counter()
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            for name, (value, _) in self.run(take(some)):
                pieces.setdefault(name, []).append(to_array(name, value, len(some)))
            seconds.update(self.seconds)
        found = {name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for name, arrays in pieces.items()}
        return found, {name: taken / len(rows) for name, taken in seconds.items()}


class Encoder:
    """Encodes tensors in other threads, and adds them to a write in the order in which they came.

    Which chunks are new is asked in that order too, between quantizing and compressing: where two layers hold the
    same chunks, it is always the first that stores them.

    Parameters
    ----------
    graph
        The network.
    codecs
        Tensor -> how it is cut and quantized.
    shapes
        Tensor -> shape of one row.
    write
        Where the chunks go.
    on_stored
        Told the bytes that a tensor of a block added.
    on_block
        Told each row block when all of its tensors are added, and nothing of the next one.
    """

    def __init__(
        self,
        graph: Graph,
        codecs: Mapping[str, UnitCodec],
        shapes: Mapping[str, tuple[int, ...]],
        write: BlockWrite,
        on_stored: Callable[[int], None],
        on_block: Callable[[int, CapturedBlock], None],
    ) -> None:
        self._on_block = on_block
        self._codecs = codecs
        self._write = write
        self._on_stored = on_stored
        self._bytes = 0
        self._fewer = threading.Condition()
        self._unpooled = threading.Semaphore(1)  # of whole maps, one waits: a few are larger than all they become
        self._error: BaseException | None = None
        self._done: dict[int, CapturedBlock] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="mistique-write")
        self._pool = ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS), thread_name_prefix="mistique-encode")
        signs = not_negative(graph)
        self._pooling: dict[str, GraphPooling] = {}
        for name, codec in codecs.items():
            scheme = codec.fitted[0].scheme if codec.fitted and codec.fitted[0] is not None else None
            if can_pool(scheme, shapes[name], graph.tensors[name].dtype):
                self._pooling[name] = GraphPooling(scheme, shapes[name][:-1], name in signs)  # type: ignore[arg-type]

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._writer.shutdown(wait=True, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, block: int, name: str, first_row: int, rows: int, value: Value, most_bytes: int) -> None:
        """Hand over a tensor of a row block; waits while more than so many bytes are waiting.

        Raises
        ------
        Exception
            Whatever encoding or adding an earlier tensor has raised.
        """
        array = to_array(name, value[0], rows)
        size = array.nbytes
        with self._fewer:
            self._fewer.wait_for(lambda: self._error is not None or self._bytes + size <= max(most_bytes, size))
            self._check()
            self._bytes += size
        if name in self._pooling:
            self._unpooled.acquire()
            hashing = self._pool.submit(self._pool_and_encode, name, first_row, value[0], array)
        else:
            hashing = self._pool.submit(self._codecs[name].encode, first_row, array)
        self._writer.submit(self._compress, block, name, size, hashing)

    def _pool_and_encode(self, name: str, first_row: int, tensor: Any, array: Array) -> EncodedRows:
        """While the network goes on: pool whole maps, and quantize and hash what they become."""
        try:
            pooled = self._pooling[name](tensor)
        finally:
            self._unpooled.release()
        if pooled is None:
            return self._codecs[name].encode(first_row, array)
        return self._codecs[name].encode(first_row, pooled[0], pooling_error=pooled[1])

    def finish(self) -> None:
        """Wait for everything; raises like :meth:`submit`."""
        with self._fewer:
            self._fewer.wait_for(lambda: self._error is not None or not self._bytes)
            self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _compress(self, block: int, name: str, size: int, hashing: Future[EncodedRows]) -> None:
        """In the writer's thread: once a tensor is hashed, let those of its chunks be compressed that are new."""
        with self._reported():
            encoded = hashing.result()
            unknown = self._write.unknown(encoded.arrays)
            encoded.arrays.clear()
            compressing = self._pool.submit(self._write.encode, unknown)
            self._writer.submit(self._add, block, name, size, encoded, compressing)

    def _add(
        self, block: int, name: str, size: int, encoded: EncodedRows, compressing: Future[list[WholeChunk]]
    ) -> None:
        """In the writer's thread: add the chunks, and end the row block if they are its last."""
        with self._reported():
            added = self._write.add(compressing.result())
            tensors = self._done.setdefault(block, {})
            tensors[name] = CapturedRows(encoded.chunks, encoded.errors, added)
            self._on_stored(added)
            if len(tensors) == len(self._codecs):
                self._on_block(block, self._done.pop(block))
            with self._fewer:
                self._bytes -= size
                self._fewer.notify_all()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Keep the first error for the thread that runs the network; after it, nothing is added."""
        try:
            self._check()
            yield
        except BaseException as error:
            with self._fewer:
                self._error = self._error or error
                self._fewer.notify_all()
