"""The calls of a network, each compiled once: those of a new network while its input is stored."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from mistique_core.networks.calls import CompiledCall
from mistique_core.networks.graph import Call, Graph

log = logging.getLogger(__name__)


class TracedCalls:
    """Compiles calls when they are asked for, or ahead, in a thread of its own.

    Parameters
    ----------
    graph
        The network.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._made: dict[str, CompiledCall] = {}
        self._thread: threading.Thread | None = None

    def trace_ahead(self, calls: Sequence[Call]) -> None:
        """Begin to compile some calls; what goes wrong is met again by whoever runs them."""
        for call in calls:
            self._compiled(call)
        self._thread = threading.Thread(target=self._trace, args=(calls,), name="mistique-trace")
        self._thread.start()

    def of(self, call: Call) -> CompiledCall:
        """Return a call compiled, or to be compiled when it first runs; waits for those that are being compiled."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self._compiled(call)

    def _compiled(self, call: Call) -> CompiledCall:
        if call.name not in self._made:
            self._made[call.name] = CompiledCall(call, call.operation, self._graph.tensors)
        return self._made[call.name]

    def _trace(self, calls: Sequence[Call]) -> None:
        for call in calls:
            try:
                self._made[call.name].trace()
            except Exception as error:  # layers are anybody's code
                log.debug("layer %s could not be compiled ahead: %s", call.name, error)
                return
