"""Neighbours that BOUNDED keeps in every layer of the net, however wide, in one pass over the images."""

from __future__ import annotations

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

    Only the query rows' activations and distances are held, so that layers of 65,536 values a row fit into memory.

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
    asked = dict(net.layers(images[queries]))
    asked_lossy: dict[int, NDArray[np.float32]] = {}
    fitted: dict[int, FittedQuantizer] = {}
    distances = {(layer, lossy): np.empty((len(queries), len(images)), np.float32)
                 for layer in SHAPES for lossy in (False, True)}  # fmt: skip
    for start in range(0, len(images), _BATCH_ROWS):
        for layer, values in net.layers(images[start : start + _BATCH_ROWS]):
            if layer not in fitted:
                block = np.moveaxis(values, -1, 0)
                quantizer = parse_scheme(text_of(scheme, block.shape))
                assert quantizer is not None
                fitted[layer] = quantizer.fit(block)
                asked_lossy[layer] = _decoded(fitted[layer], asked[layer])
            columns = slice(start, start + len(values))
            distances[layer, False][:, columns] = _squared(asked[layer], values)
            distances[layer, True][:, columns] = _squared(asked_lossy[layer], _decoded(fitted[layer], values))
    kept = {}
    for layer in SHAPES:
        found = []
        for lossy in (False, True):
            table = distances[layer, lossy]
            table[np.arange(len(queries)), queries] = np.inf
            found.append(np.argpartition(table, k, axis=1)[:, :k])
        kept[layer] = overlap(*found)
    return kept


def _decoded(fitted: FittedQuantizer, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(rows, ..., units)`` after encoding and decoding."""
    decoded = fitted.decode(fitted.encode(np.moveaxis(values, -1, 0)).parts, len(values))
    return np.ascontiguousarray(np.moveaxis(decoded, 0, -1))


def _squared(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[Any]:
    """Return squared Euclidean distances (some, others), less what is the same for all of a row."""
    points, columns = some.reshape(len(some), -1), others.reshape(len(others), -1)
    return np.einsum("ij,ij->i", columns, columns) - 2 * (points @ columns.T)
