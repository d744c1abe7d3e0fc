"""The trained CIFAR-10 VGG16 in NumPy: every layer's activations of a batch, numbered as in the thesis' Table 5.4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

POOLED_AFTER = frozenset({2, 4, 7, 10, 13})
"""Convolutions (counted from 1) that a 2 x 2 max pooling follows."""
FLATTEN, DENSE, LOGITS = 19, 20, 21
SHAPES: dict[int, tuple[int, ...]] = {
    **dict.fromkeys((1, 2), (32, 32, 64)), 3: (16, 16, 64), **dict.fromkeys((4, 5), (16, 16, 128)), 6: (8, 8, 128),
    **dict.fromkeys((7, 8, 9), (8, 8, 256)), 10: (4, 4, 256), **dict.fromkeys((11, 12, 13), (4, 4, 512)),
    **dict.fromkeys((14, 15, 16, 17), (2, 2, 512)), 18: (1, 1, 512), FLATTEN: (512,), DENSE: (256,), LOGITS: (10,),
}  # fmt: skip
"""Layer -> shape of one example's activation, units last."""


class VGG16:
    """Thirteen frozen convolutions and one checkpoint of the two dense layers.

    Parameters
    ----------
    folder
        Holds ``conv.npz`` and ``head_NN.npz``.
    head
        Which checkpoint, 0 to 9.
    """

    def __init__(self, folder: Path, head: int = 0) -> None:
        with np.load(folder / "conv.npz") as weights:
            self._conv = [(weights[f"w{2 * i:02d}"], weights[f"w{2 * i + 1:02d}"]) for i in range(len(weights) // 2)]
        with np.load(folder / f"head_{head:02d}.npz") as weights:
            self._dense = [weights[f"w{i:02d}"] for i in range(4)]

    def layers(self, images: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (layer, activations) of one batch in order.

        Parameters
        ----------
        images
            (rows, 32, 32, 3) uint8.

        Yields
        ------
        tuple of int and numpy.ndarray
            1 to 21, and float32 (rows, H, W, units) or (rows, units), contiguous.
        """
        values = (images.astype(np.float32) / np.float32(255) - np.float32(0.47)) / np.float32(0.25)
        layer = 0
        for number, (kernel, bias) in enumerate(self._conv, start=1):
            values = _convolve(values, kernel, bias)
            layer += 1
            yield layer, values
            if number in POOLED_AFTER:
                rows, height, width, units = values.shape
                values = values.reshape(rows, height // 2, 2, width // 2, 2, units).max(axis=(2, 4))
                layer += 1
                yield layer, values
        flat = values.reshape(len(values), -1)
        yield FLATTEN, flat
        hidden = np.maximum(flat @ self._dense[0] + self._dense[1], 0)
        yield DENSE, hidden
        yield LOGITS, hidden @ self._dense[2] + self._dense[3]

    def collect(
        self, images: NDArray[np.uint8], layers: tuple[int, ...], batch_rows: int = 250
    ) -> dict[int, NDArray[np.float32]]:
        """Return the activations of `layers` for all images, computed batch by batch."""
        found = {layer: np.empty((len(images), *SHAPES[layer]), np.float32) for layer in layers}
        for start in range(0, len(images), batch_rows):
            for layer, values in self.layers(images[start : start + batch_rows]):
                if layer in found:
                    found[layer][start : start + batch_rows] = values
                if layer >= max(layers):
                    break
        return found


def _convolve(
    values: NDArray[np.float32], kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ReLU of a 3 x 3 convolution with zero padding: one matrix product over gathered neighbourhoods."""
    rows, height, width, channels = values.shape
    padded = np.zeros((rows, height + 2, width + 2, channels), np.float32)
    padded[:, 1:-1, 1:-1] = values
    gathered = np.empty((rows, height, width, 3, 3, channels), np.float32)
    for y in range(3):
        for x in range(3):
            gathered[:, :, :, y, x] = padded[:, y : y + height, x : x + width]
    out = gathered.reshape(-1, 9 * channels) @ kernel.reshape(9 * channels, -1)
    out += bias
    np.maximum(out, 0, out=out)
    return out.reshape(rows, height, width, -1)
