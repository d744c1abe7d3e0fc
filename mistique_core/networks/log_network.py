"""The call that logs a network: load it, store its input, decide what is new, capture that."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from mistique_core import telemetry
from mistique_core.catalogue.chunks import known_addresses
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.catalogue.tables import chunk
from mistique_core.errors import CatalogueError, InvalidInputError
from mistique_core.model import BlockShare, IntermediateKey, IntermediateRef
from mistique_core.model.names import check_name
from mistique_core.networks.capture import Capture, CaptureRequest
from mistique_core.networks.capture_plan import CapturePlan, plan_capture
from mistique_core.networks.fingerprints import layer_fingerprints
from mistique_core.networks.graph import Graph, ancestors, graph_of
from mistique_core.networks.input_log import LoggedInput, log_input
from mistique_core.networks.input_rows import InputFunc
from mistique_core.networks.layer_choice import choose_layers
from mistique_core.networks.layer_schemes import Schemes, check_scheme, choose_schemes
from mistique_core.networks.load_network import ModelFunction, load_network
from mistique_core.networks.stored_copies import Copies, find_copies
from mistique_core.networks.traced_calls import TracedCalls
from mistique_core.networks.weights import NetworkWeights
from mistique_core.store.network_report import LayerReport, NetworkReport

if TYPE_CHECKING:
    from mistique_core.store import Mistique, Run

log = logging.getLogger(__name__)

_LEAST_WEIGHT_BYTES = 1_024
"""Weights of fewer bytes, or none, are equal in many networks."""


def log_network(
    store: Mistique,
    open_run: Callable[[str], Run],
    network: Any,
    input_func: InputFunc | None,
    *,
    model_function: ModelFunction | None = None,
    layers: str | Iterable[str] | None = None,
    scheme: Schemes = None,
    batch_rows: int = 1_000,
    blocks: Iterable[int] | BlockShare | None = None,
    reuse: bool = True,
    exact: bool = False,
    progress: bool | None = None,
    task_id: str | None = None,
) -> NetworkReport:
    """Log the layers of a network; the parameters are those of :meth:`mistique_core.store.Run.log_network`.

    Parameters
    ----------
    store
        Where.
    open_run
        Returns the run that the layers belong to; told the key of the capture, so that it can return the run of an
        earlier call that was interrupted.
    """
    started = time.perf_counter()
    check_scheme(scheme)
    if not isinstance(batch_rows, int) or isinstance(batch_rows, bool) or batch_rows < 1:
        raise InvalidInputError(f"batch_rows={batch_rows!r} is not a positive integer; 1000 is the default")
    if input_func is None or not callable(input_func):
        raise InvalidInputError(
            f"input_func={input_func!r} is no function; give one that returns the rows, such as lambda: images"
        )
    graph = graph_of(load_network(network, model_function))
    for name in graph.tensors:
        check_name("layer", name)
    wanted = choose_layers(graph, layers)
    weights = NetworkWeights(graph)
    traced = TracedCalls(graph)
    meanwhile = traced.ahead(ancestors(graph, wanted, ())) if _is_new(store, weights) else nullcontext()
    logged = log_input(store, input_func, graph, batch_rows, meanwhile)
    request = _request(graph, weights, wanted, scheme, logged, batch_rows, exact=exact, reuse=reuse)
    copies = _find_copies(store, request)
    plan = plan_capture(graph, wanted, copies.reusable, copies.best, exact=exact)

    def plan_again(stored: Sequence[str], starts: Sequence[str]) -> CapturePlan:
        reused = {name: copies.reusable[name] for name in wanted if name not in stored and name in copies.reusable}
        begun = {name: copies.best[name] for name in starts if name in copies.best}
        again = plan_capture(graph, wanted, reused, begun, exact=exact)
        if again.stored != tuple(stored):
            raise CatalogueError("layers that an open capture takes over were deleted meanwhile; log it again")
        return again

    run = open_run(request.key)
    inputs = logged.register(store, run)
    capture = Capture(
        store,
        run,
        request,
        plan,
        plan_again,
        inputs,
        held=logged.held,
        traced=traced,
        task_id=task_id,
        progress=progress,
    )
    found = capture.execute(copies.best, blocks)
    report = NetworkReport(
        run.project,
        run.model,
        run.version,
        found,
        request.rows,
        capture.captured_blocks,
        logged.stored_bytes,
        capture.weight_bytes,
        time.perf_counter() - started,
        tuple(sorted(plan.origin.items())),
        _output(store, run, found),
    )
    log.info("%s", report.summary())
    telemetry.report(
        "capture",
        model=f"{report.project}.{report.model}@{report.version}",
        layers=len(report.layers),
        rows=report.rows,
        seconds=report.seconds,
        logical_bytes=report.logical_bytes,
        stored_bytes=report.stored_bytes,
    )
    return report


def _output(store: Mistique, run: Run, layers: Sequence[LayerReport]) -> IntermediateRef | None:
    """Return the reference of the last layer, once all row blocks are there."""
    if not layers or any(layer.state == "pending" for layer in layers):
        return None
    key = IntermediateKey(run.project, run.model, layers[-1].name, version=run.version)
    with store.catalogue.read() as connection:
        return find_intermediate(connection, key).ref


def _is_new(store: Mistique, weights: NetworkWeights) -> bool:
    """Whether no weights of a network are stored, but for small ones: no layer with weights can be taken over."""
    sized = {weights.addresses[layer] for layer, size in weights.sizes.items() if size > _LEAST_WEIGHT_BYTES}
    with store.catalogue.read() as connection:
        return not known_addresses(connection, chunk, [bytes.fromhex(address) for address in sized])


def _request(
    graph: Graph,
    weights: NetworkWeights,
    wanted: Sequence[str],
    scheme: Schemes,
    logged: LoggedInput,
    batch_rows: int,
    *,
    exact: bool,
    reuse: bool,
) -> CaptureRequest:
    shapes = {name: tuple(size or 1 for size in graph.tensors[name].shape) or (1,) for name in graph.producers()}
    schemes = choose_schemes(graph, wanted, shapes, scheme)
    fingerprints = layer_fingerprints(graph, weights.addresses, logged.addresses)
    return CaptureRequest(graph, weights, wanted, schemes, fingerprints, logged.rows, batch_rows, exact, reuse)


def _find_copies(store: Mistique, request: CaptureRequest) -> Copies:
    """Return what the store holds of the network already, as far as that may be used."""
    if not request.reuse:
        return Copies({}, {})
    texts = {name: request.text(name) for name in request.wanted}
    values = {name: request.fingerprints.values(name) for name in request.graph.producers()}
    with store.catalogue.read() as connection:
        return find_copies(connection, values, texts)
