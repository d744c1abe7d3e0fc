"""Neighbours that schemes keep in every layer of the net, however wide, in one pass over the images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.activation_schemes import text_of
from benchmarks.neighbours import overlap
from benchmarks.vgg16 import SHAPES, VGG16
from mistique_core.quantizers import FittedQuantizer, parse_scheme

_BATCH_ROWS = 250


def kept_by_layer(
    net: VGG16, images: NDArray[np.uint8], scheme: str | float, queries: NDArray[np.int64], k: int = 50
) -> dict[int, float]:
    """Return, for each layer, the share of the `k` nearest neighbours of the query rows that decoding keeps.

    Parameters
    ----------
    net, images
        The net, and all images among which neighbours are searched.
    scheme
        As in :func:`benchmarks.activation_schemes.text_of`; fitted to the first batch of images.
    queries
        Positions of the query rows.
    k
        How many neighbours.
    """
    texts = {layer: text_of(scheme, (shape[-1], 1, *shape[:-1])) for layer, shape in SHAPES.items()}
    return kept_by_schemes(net, images, {"": texts}, queries, k)[""]


def kept_by_schemes(
    net: VGG16,
    images: NDArray[np.uint8],
    schemes: Mapping[str, Mapping[int, str]],
    queries: NDArray[np.int64],
    k: int = 50,
) -> dict[str, dict[int, float]]:
    """Return the same for several mixes of schemes, each the text of each layer's scheme, in one pass over the images.

    Only the query rows' activations and distances are held, so that layers of 65,536 values a row fit into memory.
    """
    asked = dict(net.layers(images[queries]))
    asked_lossy: dict[tuple[str, int], NDArray[np.float32]] = {}
    fitted: dict[tuple[str, int], FittedQuantizer | None] = {}
    distances = {(name, layer): np.empty((len(queries), len(images)), np.float32)
                 for layer in SHAPES for name in (None, *schemes)}  # fmt: skip
    for start in range(0, len(images), _BATCH_ROWS):
        for layer, values in net.layers(images[start : start + _BATCH_ROWS]):
            columns = slice(start, start + len(values))
            distances[None, layer][:, columns] = _squared(asked[layer], values)
            for name, texts in schemes.items():
                if start == 0:
                    quantizer = parse_scheme(texts[layer])
                    fitted[name, layer] = None if quantizer is None else quantizer.fit(np.moveaxis(values, -1, 0))
                    asked_lossy[name, layer] = _decoded(fitted[name, layer], asked[layer])
                lossy = _decoded(fitted[name, layer], values)
                distances[name, layer][:, columns] = _squared(asked_lossy[name, layer], lossy)
    found = {}
    for key, table in distances.items():
        table[np.arange(len(queries)), queries] = np.inf
        found[key] = np.argpartition(table, k, axis=1)[:, :k]
    return {name: {layer: overlap(found[None, layer], found[name, layer]) for layer in SHAPES} for name in schemes}


def _decoded(fitted: FittedQuantizer | None, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(rows, ..., units)`` after encoding and decoding, if there is a scheme."""
    if fitted is None:
        return values
    decoded = fitted.decode(fitted.encode(np.moveaxis(values, -1, 0)).parts, len(values))
    return np.ascontiguousarray(np.moveaxis(decoded, 0, -1))


def _squared(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[Any]:
    """Return squared Euclidean distances (some, others), less what is the same for all of a row."""
    points, columns = some.reshape(len(some), -1), others.reshape(len(others), -1)
    return np.einsum("ij,ij->i", columns, columns) - 2 * (points @ columns.T)
