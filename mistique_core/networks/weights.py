"""The weights of a network, layer by layer, and their addresses."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistique_core.dedup import bytes_hash, chunk_hash
from mistique_core.fitted import LayerWeights, dump_fitted, fitted_array
from mistique_core.networks.graph import Graph


class NetworkWeights:
    """Reads weights from the living layers when they are asked for, so that no copy of all of them is held.

    Attributes
    ----------
    addresses
        Layer -> address of its weights, in hex: equal weights have equal addresses.
    count
        Numbers in all weights.
    """

    def __init__(self, graph: Graph) -> None:
        self._operations: dict[int, Any] = {call.layer: call.operation for call in graph.calls}
        self.addresses: dict[int, str] = {}
        self.count = 0
        for layer in self._operations:
            weights = self.of(layer)
            self.count += sum(array.size for array in weights.arrays)
            self.addresses[layer] = (
                chunk_hash(fitted_array(*dump_fitted(weights))).hex() if weights.arrays else bytes_hash(b"").hex()
            )

    def of(self, layer: int) -> LayerWeights:
        """Return a layer's weights; a layer without any has no arrays."""
        variables = getattr(self._operations[layer], "weights", None) or ()
        return LayerWeights(tuple(np.asarray(variable) for variable in variables))
