"""Making captured layers visible: their stages, intermediates and weights, in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.captures import CapturedBlock, end_capture
from mistique_core.catalogue.chunks import known_addresses
from mistique_core.catalogue.intermediates import intermediate_by_id
from mistique_core.catalogue.stages import StageSeconds, begin_stage, finish_stage, take_over_outputs
from mistique_core.catalogue.tables import chunk, intermediate
from mistique_core.catalogue.tables import stage as stage_table
from mistique_core.engine.commit import Pending
from mistique_core.engine.outputs import OutputSet
from mistique_core.engine.unit_stream import UnitCodec
from mistique_core.engine.write_ahead import WriteAhead
from mistique_core.errors import MistiqueError
from mistique_core.fitted import LayerWeights, type_name
from mistique_core.fitted.weights_format import WeightsCodec
from mistique_core.lineage import library_versions, stage_code_hash
from mistique_core.model import IntermediateRef, Need
from mistique_core.networks.capture_plan import StoredCopy
from mistique_core.networks.forward import CallSeconds
from mistique_core.networks.layer_stage import LayerStage, weights_name
from mistique_core.networks.weights import NetworkWeights

if TYPE_CHECKING:
    from mistique_core.store import Mistique, Run

log = logging.getLogger(__name__)

MOST_BYTES_AHEAD = 256 * 1024 * 1024
"""Larger weights are encoded when the network has run: a capture must not hold both them and its row blocks."""


@dataclass(frozen=True)
class CapturedLayer:
    """A layer to be made visible.

    Attributes
    ----------
    name
        The tensor, the intermediate and the stage.
    stage
        What computes it from other intermediates.
    scheme
        Text of its scheme, or ``lossless``.
    fingerprint
        Of what is stored; ``None`` if it must never be taken over.
    source
        The copy that is taken over; ``None`` if it was computed.
    codec
        How it was cut and quantized, if it was computed.
    seconds
        Of the forward pass: for all rows, and for one row alone.
    repeatable
        Whether the same rows in other batches give the same values.
    """

    name: str
    stage: LayerStage
    scheme: str
    fingerprint: str | None
    source: StoredCopy | None
    codec: UnitCodec | None
    seconds: CallSeconds
    repeatable: bool = True


@dataclass(frozen=True)
class RecordedLayer:
    """A layer that is visible now: bytes of its values, and those that it added."""

    logical_bytes: int
    stored_bytes: int


class LayerRecorder:
    """Registers the layers of one capture.

    Parameters
    ----------
    store, run
        Where they belong.
    weights
        Of the network.
    task_id
        The task that ran the capture, where there is one.
    """

    def __init__(self, store: Mistique, run: Run, weights: NetworkWeights, task_id: str | None) -> None:
        self._store = store
        self._run = run
        self._weights = weights
        self._task_id = task_id
        self._known: set[bytes] = set()
        self._ahead: WriteAhead | None = None
        self._encoded: dict[int, OutputSet] = {}
        self.weight_bytes = 0

    def encode_weights(self, layers: Iterable[int]) -> None:
        """Begin to encode those weights of some layers that are not stored, while the network runs.

        They become durable and visible with :meth:`record`, or are given up with :meth:`close`.
        """
        self._look_up_weights()
        new = [layer for layer in layers if bytes.fromhex(self._weights.addresses[layer]) not in self._known]
        if not new or sum(self._weights.sizes[layer] for layer in new) > MOST_BYTES_AHEAD:
            return
        self._ahead = WriteAhead(self._store.committer)
        for layer in new:
            self._ahead.add_made(partial(self._weights_of, layer))

    def _weights_of(self, layer: int) -> OutputSet:
        """Return the weights of a layer as bytes, which are kept for its stage."""
        outputs = self._store.committer.outputs()
        outputs.add_fitted(weights_name(layer), self._weights.of(layer))
        self._encoded[layer] = outputs
        return outputs

    def close(self) -> None:
        """Give up what was encoded and not recorded."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
            self._encoded.clear()

    def _look_up_weights(self) -> None:
        addresses = [bytes.fromhex(address) for address in self._weights.addresses.values()]
        with self._store.catalogue.read() as connection:
            self._known = set(known_addresses(connection, chunk, addresses))

    def record(
        self,
        layers: Sequence[CapturedLayer],
        inputs: Mapping[str, IntermediateRef],
        row_ids: npt.NDArray[np.int64],
        blocks: Sequence[CapturedBlock],
        capture_id: int | None,
        began_at: float,
    ) -> dict[str, RecordedLayer]:
        """Make layers visible, all of them or none.

        Block by block all layers run in turns, so that each that is computed takes from the capture's begin until now;
        what is taken over was found then, and took no time.

        Parameters
        ----------
        layers
            In the network's order.
        inputs
            Input -> its intermediate.
        row_ids
            int64 (rows,).
        blocks
            All row blocks of the layers that were computed.
        capture_id
            The capture that ends with this; ``None`` if nothing was computed.
        began_at
            When the capture began, in Unix seconds.

        Raises
        ------
        CaptureEndedError
            If another task was first.
        """
        refs: dict[str, IntermediateRef] = dict(inputs)
        self._look_up_weights()
        pending = [self._end(capture_id)]
        pending += [self._pending(layer, refs, row_ids, blocks, began_at) for layer in layers]
        staged = None
        if self._ahead is not None:
            for item in pending:
                self._ahead.add(item.outputs)
            staged = self._ahead.take()
        found = self._store.committer.commit(pending, staged)
        return {layer.name: item for layer, item in zip(layers, found[1:], strict=True) if item is not None}

    def _end(self, capture_id: int | None) -> Pending[RecordedLayer | None]:
        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> RecordedLayer | None:
            if capture_id is not None:
                end_capture(connection, capture_id)
            return None

        return Pending(self._store.committer.outputs(), register)

    def _pending(
        self,
        layer: CapturedLayer,
        refs: dict[str, IntermediateRef],
        row_ids: npt.NDArray[np.int64],
        blocks: Sequence[CapturedBlock],
        began_at: float,
    ) -> Pending[RecordedLayer | None]:
        outputs = self._store.committer.outputs()
        load_seconds = 0.0
        self._add_weights(outputs, layer)
        if layer.source is None:
            assert layer.codec is not None
            _add(outputs, layer, layer.codec, row_ids, blocks)
            load_seconds = self._load_seconds(layer)
        inputs = set(refs)

        def register(connection: sa.Connection, unclaimed: dict[bytes, int]) -> RecordedLayer | None:
            given = {name: refs[name] for name in layer.stage.params()["inputs"]}
            # An input is what was stored of it, and is read again as it was; a layer was not read when it was used.
            needs = {"": {name: Need.ROWS if name in inputs else Need.EXACT for name in given}}
            stage_id = begin_stage(
                connection,
                model_version_id=self._run.version_id,
                name=layer.name,
                task_id=self._task_id,
                map_index=-1,
                operator=layer.stage.import_path(),
                label=layer.stage.label(),
                params=_params(connection, layer),
                code_hash=stage_code_hash(layer.stage),
                libraries=library_versions(tuple(layer.stage.functions()), tuple(layer.stage.packages())),
                inputs=given,
                started_at=began_at,
            )
            if layer.source is not None:
                take_over_outputs(
                    connection,
                    layer.source.stage,
                    stage_id,
                    self._run.version_id,
                    layer.name,
                    needs=needs,
                    ended_at=began_at,
                )
                outputs.register(
                    connection, unclaimed, model_version_id=self._run.version_id, stage_id=stage_id, name=layer.name
                )
                item = connection.execute(
                    sa.select(intermediate.c.id).where(intermediate.c.stage_id == stage_id, intermediate.c.output == "")
                ).scalar_one()
            else:
                new_weights = sum(unclaimed.get(fitted.chunk, 0) for fitted in outputs.fitted)
                self.weight_bytes += new_weights
                ids, _, _ = outputs.register(
                    connection,
                    unclaimed,
                    model_version_id=self._run.version_id,
                    stage_id=stage_id,
                    name=layer.name,
                )
                item = ids[""]
                finish_stage(
                    connection,
                    stage_id,
                    StageSeconds(0.0, load_seconds, layer.seconds.row * len(row_ids), 0.0, layer.seconds.call),
                    fingerprint=layer.fingerprint,
                    deterministic=layer.stage.deterministic and layer.repeatable,
                    hyperparameters={},
                    metrics={},
                    metrics_intermediate=None,
                    needs=needs,
                )
            record = intermediate_by_id(connection, int(item))
            refs[layer.name] = record.ref
            return RecordedLayer(record.logical_bytes, record.stored_bytes)

        return Pending(outputs, register)

    def _add_weights(self, outputs: OutputSet, layer: CapturedLayer) -> None:
        """Add the weights of a layer to its stage; those that are stored are not looked at again."""
        for number in dict.fromkeys(call.layer for call in layer.stage.calls):
            name, address = weights_name(number), bytes.fromhex(self._weights.addresses[number])
            if address in self._known:
                size = self._weights.sizes[number]
                outputs.add_stored_fitted(name, WeightsCodec.format, type_name(LayerWeights(())), size, address)
            elif number in self._encoded:
                outputs.take_fitted(self._encoded[number])
            else:
                outputs.add_fitted(name, self._weights.of(number))

    def _load_seconds(self, layer: CapturedLayer) -> float:
        """Return the seconds that rebuilding a layer from its weights takes."""
        learned = {weights_name(call.layer): self._weights.of(call.layer) for call in layer.stage.calls}
        start = time.perf_counter()
        try:
            layer.stage.prepare(learned)
        except MistiqueError as error:
            log.warning("layer %s is stored, but could not be re-run: %s", layer.name, error)
        return time.perf_counter() - start


def _params(connection: sa.Connection, layer: CapturedLayer) -> dict[str, Any]:
    """Return the parameters of a layer's stage; what was taken over was computed in batches of its source's length."""
    params = layer.stage.params()
    if layer.source is not None:
        query = sa.select(stage_table.c.params).where(stage_table.c.id == layer.source.stage)
        recorded = dict(connection.execute(query).scalar_one())
        params["batch_rows"] = recorded.get("batch_rows")
    return params


def _add(
    outputs: OutputSet,
    layer: CapturedLayer,
    codec: UnitCodec,
    row_ids: npt.NDArray[np.int64],
    blocks: Sequence[CapturedBlock],
) -> None:
    rows = [block[layer.name] for block in blocks]
    errors = [max(values) for values in zip(*(item.errors for item in rows), strict=True)]
    chunks = [chunk for item in rows for chunk in item.chunks]
    outputs.add_columns(
        "",
        codec.columns(len(row_ids), chunks, errors),
        names=[str(unit) for unit in range(codec.units)],
        members=codec.members,
        row_ids=row_ids,
        scheme=layer.scheme,
        arrays=codec.tables().arrays,
        registered_bytes=sum(item.stored_bytes for item in rows),
    )
