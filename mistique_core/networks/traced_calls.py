"""The calls of a network, each compiled once: those of a new network while its input is stored."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
        self._is_given_up = False

    @contextmanager
    def ahead(self, calls: Sequence[Call]) -> Iterator[None]:
        """Compile some calls while the block runs, and wait for them; if the block fails, leave the rest of them.

        What goes wrong in compiling is met again by whoever runs them.
        """
        compiled = [self.of(call) for call in calls]
        thread = threading.Thread(target=self._trace, args=(compiled,), name="mistique-trace")
        thread.start()
        try:
            yield
        except BaseException:
            self._is_given_up = True
            raise
        finally:
            thread.join()

    def of(self, call: Call) -> CompiledCall:
        """Return a call compiled, or to be compiled when it first runs."""
        if call.name not in self._made:
            self._made[call.name] = CompiledCall(call, call.operation, self._graph.tensors)
        return self._made[call.name]

    def _trace(self, calls: Sequence[CompiledCall]) -> None:
        for call in calls:
            if self._is_given_up:
                return
            try:
                call.trace()
            except Exception as error:  # layers are anybody's code
                log.debug("layer %s could not be compiled ahead: %s", call.name, error)
                return
