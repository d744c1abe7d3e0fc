"""The weights of a network, layer by layer, and their addresses."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistique_core.dedup import chunk_hash
from mistique_core.fitted import LayerWeights, dump_fitted, fitted_array
from mistique_core.networks.graph import Graph


class NetworkWeights:
    """Reads weights from the living layers when they are asked for, so that no copy of all of them is held.

    Attributes
    ----------
    addresses
        Layer -> address of its weights, in hex: equal weights have equal addresses.
    sizes
        Layer -> bytes of its weights as they are stored.
    """

    def __init__(self, graph: Graph) -> None:
        self._operations: dict[int, Any] = {call.layer: call.operation for call in graph.calls}
        self.addresses: dict[int, str] = {}
        self.sizes: dict[int, int] = {}
        for layer in self._operations:
            weights = self.of(layer)
            stored = fitted_array(*dump_fitted(weights))
            self.addresses[layer] = chunk_hash(stored).hex()
            self.sizes[layer] = stored.nbytes

    def of(self, layer: int) -> LayerWeights:
        """Return a layer's weights; a layer without any has no arrays."""
        variables = getattr(self._operations[layer], "weights", None) or ()
        return LayerWeights(tuple(np.asarray(variable) for variable in variables))
