"""The forward pass over row blocks: each layer's output is encoded while the next layers run."""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from mistique_core.catalogue.captures import CapturedBlock, CapturedRows
from mistique_core.engine.block_write import BlockWrite
from mistique_core.engine.chunk_writer import WholeChunk
from mistique_core.engine.unit_stream import EncodedRows, UnitCodec
from mistique_core.networks.calls import CompiledCall, Value, to_array
from mistique_core.networks.graph import Call, Graph
from mistique_core.networks.pooled_call import GraphPooling, can_pool, not_negative

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
    """

    def __init__(self, graph: Graph, calls: Sequence[Call], kept: Sequence[str]) -> None:
        self._graph = graph
        self._kept = set(kept)
        self.calls = [(call, CompiledCall(call, call.operation, graph.tensors)) for call in calls]
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
            shape = (rows, *(-1 if size is None else size for size in spec.shape))
            values[name] = (tf.constant(array.reshape(shape), spec.dtype), None)
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

    def sample(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, CallSeconds]]:
        """Return the kept tensors of a sample, and what each call takes.

        Parameters
        ----------
        inputs
            Tensor -> array of the sample's rows.
        """
        rows = len(next(iter(inputs.values())))
        first = {name: array[:1] for name, array in inputs.items()}
        for _ in range(2):  # the first time compiles
            deque(self.run(first), maxlen=0)
        alone = dict(self.seconds)
        found = {name: to_array(name, value, rows) for name, (value, _) in self.run(inputs)}
        seconds = {name: CallSeconds(taken / rows, alone[name]) for name, taken in self.seconds.items()}
        return found, seconds


@dataclass(frozen=True)
class _Hashing:
    """A tensor of a row block that is being quantized and hashed."""

    block: int
    name: str
    size: int
    future: Future[EncodedRows]


@dataclass(frozen=True)
class _Compressing:
    """The same, of which those chunks are being compressed that are new."""

    block: int
    name: str
    size: int
    encoded: EncodedRows
    future: Future[list[WholeChunk]]


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
        self._hashing: deque[_Hashing] = deque()
        self._compressing: deque[_Compressing] = deque()
        self._bytes = 0
        self._done: dict[int, CapturedBlock] = {}
        self._pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), thread_name_prefix="mistique-encode")
        signs = not_negative(graph)
        self._pooling: dict[str, GraphPooling] = {}
        for name, codec in codecs.items():
            scheme = codec.fitted[0].scheme if codec.fitted and codec.fitted[0] is not None else None
            if can_pool(scheme, shapes[name], graph.tensors[name].dtype):
                self._pooling[name] = GraphPooling(scheme, shapes[name][:-1], name in signs)  # type: ignore[arg-type]

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, block: int, name: str, first_row: int, rows: int, value: Value, most_bytes: int) -> None:
        """Hand over a tensor of a row block; waits while more than so many bytes are waiting."""
        error = None
        if name in self._pooling:
            array, error = self._pooling[name](value[0])
        else:
            array = to_array(name, value[0], rows)
        self._bytes += array.nbytes
        future = self._pool.submit(self._codecs[name].encode, first_row, array, pooling_error=error)
        self._hashing.append(_Hashing(block, name, array.nbytes, future))
        del array, value
        self._take_what_is_done()
        while self._bytes > most_bytes and self._wait():
            pass

    def finish(self) -> None:
        """Wait for everything."""
        while self._wait():
            pass

    def _take_what_is_done(self) -> None:
        while self._hashing and self._hashing[0].future.done():
            self._compress()
        while self._compressing and self._compressing[0].future.done():
            self._add()

    def _wait(self) -> bool:
        """Wait for the tensor that came first; return whether there was one."""
        if self._compressing:
            while self._hashing and self._hashing[0].future.done():
                self._compress()
            self._add()
        elif self._hashing:
            self._compress()
        return bool(self._hashing or self._compressing)

    def _compress(self) -> None:
        item = self._hashing.popleft()
        encoded = item.future.result()
        unknown = self._write.unknown(encoded.arrays)
        encoded.arrays.clear()
        future = self._pool.submit(self._write.encode, unknown)
        self._compressing.append(_Compressing(item.block, item.name, item.size, encoded, future))

    def _add(self) -> None:
        item = self._compressing.popleft()
        added = self._write.add(item.future.result())
        self._bytes -= item.size
        block = self._done.setdefault(item.block, {})
        block[item.name] = CapturedRows(item.encoded.chunks, item.encoded.errors, added)
        self._on_stored(added)
        if len(block) == len(self._codecs):
            self._on_block(item.block, self._done.pop(item.block))


def row_bytes(shape: tuple[int, ...], itemsize: int) -> int:
    """Return the bytes of one row."""
    return math.prod(shape) * itemsize
