"""The input of a network, logged once before the network runs: what a later re-run begins with."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.catalogue.intermediates import LOSSLESS, IntermediateRecord, find_intermediate, intermediate_by_id
from mistique_core.cores import usable_cores
from mistique_core.engine.chunk_writer import WholeChunk
from mistique_core.engine.commit import Pending
from mistique_core.engine.outputs import OutputSet, PreparedFrame
from mistique_core.engine.stored_array import StoredArray
from mistique_core.engine.unit_stream import EncodedRows, UnitCodec
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model import ALL_COLUMNS, IntermediateKey, IntermediateRef
from mistique_core.networks.graph import Graph, Tensor
from mistique_core.networks.held_rows import MOST_HELD_BYTES, HeldRows
from mistique_core.networks.input_rows import InputFunc, is_given_at_once, read_input

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mistique_core.store import Mistique, Run

Array = npt.NDArray[Any]
Key = str | IntermediateKey | IntermediateRef


@dataclass
class LoggedInput:
    """The inputs of a network, stored.

    Attributes
    ----------
    rows
        Number of rows.
    addresses
        Input -> content address of the intermediate that holds it, in hex.
    stored_bytes
        Bytes that they added to the store.
    records
        Input -> its intermediate, where it was one already.
    prepared
        Input -> what will make it one, where it was not.
    held
        Input -> its rows, where all of them lie in memory anyway.
    """

    rows: int
    addresses: dict[str, str]
    stored_bytes: int = 0
    records: dict[str, IntermediateRecord] = field(default_factory=dict)
    prepared: dict[str, tuple[OutputSet, PreparedFrame]] = field(default_factory=dict)
    held: dict[str, HeldRows] = field(default_factory=dict)

    def register(self, store: Mistique, run: Run) -> dict[str, IntermediateRecord]:
        """Make the inputs intermediates of a run, unless they are already; return them by name."""
        found = dict(self.records)
        for name, (outputs, prepared) in self.prepared.items():
            key = IntermediateKey(run.project, run.model, name, version=run.version)
            with store.catalogue.read() as connection:
                try:
                    record = find_intermediate(connection, key)
                except NotFoundError:
                    record = None
            if record is None or record.address != prepared.address:
                record = self._register(store, run, name, outputs)
            found[name] = record
        return found

    def _register(self, store: Mistique, run: Run, name: str, outputs: OutputSet) -> IntermediateRecord:
        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> int:
            ids, _, _ = outputs.register(
                connection, unclaimed, model_version_id=run.version_id, stage_id=None, name=name
            )
            return ids[""]

        (intermediate_id,) = store.committer.commit([Pending(outputs, register)])
        with store.catalogue.read() as connection:
            return intermediate_by_id(connection, intermediate_id)


def log_input(
    store: Mistique,
    input_func: InputFunc,
    graph: Graph,
    batch_rows: int,
    meanwhile: AbstractContextManager[None],
) -> LoggedInput:
    """Store the inputs of a network, or find those that are stored.

    Parameters
    ----------
    store
        Where.
    input_func
        See :func:`mistique_core.networks.input_rows.read_input`; it may also return the key of an intermediate, or a
        mapping of inputs to keys.
    graph
        The network.
    batch_rows
        Rows of a row block.
    meanwhile
        Entered while rows are stored that lie in memory, when no code of the caller runs; else never.

    Raises
    ------
    InvalidInputError
        If what it returns does not fit the network.
    NotFoundError
        If a key names nothing.
    """
    given = input_func()
    keys = _keys(given, graph.inputs)
    if keys is not None:
        return _find(store, keys, graph)
    is_held = is_given_at_once(given, graph.inputs)
    with meanwhile if is_held else nullcontext():
        return _store(store, given, graph, batch_rows, is_held)


def _keys(given: Any, names: tuple[str, ...]) -> dict[str, Key] | None:
    """Return input -> key where keys were given."""
    if isinstance(given, (str, IntermediateKey, IntermediateRef)):
        if len(names) > 1:
            raise InvalidInputError(
                f"input_func returned one key for {len(names)} inputs; return a mapping of {', '.join(names)} to keys"
            )
        return {names[0]: given}
    if isinstance(given, Mapping) and any(
        isinstance(item, (str, IntermediateKey, IntermediateRef)) for item in given.values()
    ):
        missing = [name for name in names if name not in given]
        if missing:
            raise InvalidInputError(f"input_func returned no key for the input {missing[0]!r}; give one for each")
        return {name: given[name] for name in names}
    return None


def _find(store: Mistique, keys: Mapping[str, Key], graph: Graph) -> LoggedInput:
    records = {}
    with store.catalogue.read() as connection:
        for name, key in keys.items():
            if isinstance(key, IntermediateRef):
                records[name] = intermediate_by_id(connection, key.id)
            else:
                parsed = IntermediateKey.parse(key)
                if parsed.column != ALL_COLUMNS:
                    raise InvalidInputError(
                        f"the input {name!r} is {key}, one column; name the whole intermediate: project.model.name"
                    )
                records[name] = find_intermediate(connection, parsed)
            if not records[name].is_kept:
                raise InvalidInputError(
                    f"the input {name!r}, {key}, is not kept; materialize it first, so that the layers can be re-run"
                )
    first = next(iter(records.values()))
    for name, record in records.items():
        if record.row_id_version.address != first.row_id_version.address:
            raise InvalidInputError(
                f"the input {name!r} has other rows than the others; give inputs with the same rows"
            )
        few = StoredArray(store.frame_reader, store.catalogue.read, record).slice(0, 1)
        if few.dtype.kind not in "iufb":
            raise InvalidInputError(
                f"the input {name!r} is {keys[name]}, which holds {few.dtype}; name one of numbers only"
            )
        _check_shape(few, graph.tensors[name])
    addresses = {name: record.address.hex() for name, record in records.items()}
    return LoggedInput(first.ref.rows, addresses, 0, records)


@dataclass
class _Column:
    """What is known of one input so far."""

    codec: UnitCodec
    chunks: list[tuple[int, str, int, bytes]] = field(default_factory=list)
    blocks: list[Array] = field(default_factory=list)


def _store(store: Mistique, given: Any, graph: Graph, batch_rows: int, is_held: bool) -> LoggedInput:
    write = store.committer.blocks()
    columns: dict[str, _Column] = {}
    ids: list[npt.NDArray[np.int64]] = []
    waiting: deque[tuple[str, Future[EncodedRows]]] = deque()
    compressing: deque[Future[list[WholeChunk]]] = deque()
    stored = 0

    def take() -> int:
        if not waiting:
            return write.add(compressing.popleft().result())
        name, future = waiting.popleft()
        encoded = future.result()
        columns[name].chunks.extend(encoded.chunks)
        compressing.append(pool.submit(write.encode, write.unknown(encoded.arrays)))
        return write.add(compressing.popleft().result()) if len(compressing) > threads else 0

    threads = usable_cores()
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="mistique-input") as pool:
            first = 0
            for block in read_input(lambda: given, graph.inputs, batch_rows):
                for name, array in block.values.items():
                    _check_shape(array, graph.tensors[name])
                    if name not in columns:
                        columns[name] = _Column(UnitCodec.fit(array[:0], None, batch_rows))
                        columns[name].codec.check_batch(batch_rows)
                    _check_same(columns[name].codec, array, name)
                    waiting.append((name, pool.submit(columns[name].codec.encode, first, array)))
                    if is_held:
                        columns[name].blocks.append(array)
                ids.append(block.row_ids)
                first += len(block.row_ids)
                while len(waiting) > threads:
                    stored += take()
            while waiting or compressing:
                stored += take()
        addresses = [address for column in columns.values() for _, _, _, address in column.chunks]
        write.register(lambda connection: None, addresses)
    finally:
        write.close()
    row_ids = np.concatenate(ids)
    logged = LoggedInput(len(row_ids), {}, stored)
    if is_held and sum(array.nbytes for column in columns.values() for array in column.blocks) <= MOST_HELD_BYTES:
        logged.held = {name: HeldRows(column.blocks) for name, column in columns.items()}
    share = stored
    for name, column in columns.items():
        versions: tuple[NewColumn, ...] = column.codec.columns(
            len(row_ids), column.chunks, [0.0] * len(column.codec.fitted)
        )
        outputs = store.committer.outputs()
        prepared = outputs.add_columns(
            "",
            versions,
            names=[str(unit) for unit in range(column.codec.units)],
            members=column.codec.members,
            row_ids=row_ids,
            scheme=LOSSLESS,
            arrays={},
            registered_bytes=share,
        )
        share = 0
        logged.prepared[name] = (outputs, prepared)
        logged.addresses[name] = prepared.address.hex()
    return logged


def _check_shape(array: Array, tensor: Tensor) -> None:
    found, wanted = array.shape[1:], tensor.shape or (1,)
    fits = len(found) == len(wanted) and all(b is None or a == b for a, b in zip(found, wanted, strict=True))
    if not fits:
        shape = ", ".join(["rows", *("any" if size is None else str(size) for size in wanted)])
        raise InvalidInputError(
            f"the input {tensor.name!r} was given an array of shape {array.shape}; the network takes ({shape})"
        )


def _check_same(codec: UnitCodec, array: Array, name: str) -> None:
    if array.dtype != codec.dtype or array.shape[1:] != (*codec.map_shape, codec.units):
        raise InvalidInputError(
            f"the input {name!r} comes as {array.dtype} {array.shape[1:]} after {codec.dtype} "
            f"{(*codec.map_shape, codec.units)}; give all batches alike"
        )
