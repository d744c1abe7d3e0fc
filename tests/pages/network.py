"""A store with a small network over a few hundred pictures, and the classes of these."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from mistique_core import Mistique

ROWS = 240
SIDE = 12
ROW_IDS = np.arange(ROWS) * 3
CLASSES = ("red", "green", "blue")


def pictures() -> tuple[Any, Any]:
    """Return noise with a bright square in one channel, uint8 (rows, 12, 12, 3), and the number of the channel."""
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, ROWS)
    values = random.integers(0, 60, (ROWS, SIDE, SIDE, 3))
    for row, channel in enumerate(classes):
        values[row, 2:8, 2:8, channel] += 150
    return values.astype(np.uint8), classes


def build() -> Any:
    """Return the network, untrained, with the same weights every time."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3), name="images"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.Conv2D(6, 3, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(name="pooled"),
            layers.Dense(3, name="logits"),
        ]
    )


def fill(store: Mistique) -> None:
    """Capture the network without loss, and log the names of the classes."""
    images, classes = pictures()
    store.log_intermediates(
        build(),
        lambda: {"row_id": ROW_IDS, "images": images},
        project="shapes",
        model="net",
        scheme="lossless",
        batch_rows=80,
    )
    names = pd.DataFrame({"name": np.asarray(CLASSES)[classes]}, index=pd.Index(ROW_IDS, name="row_id"))
    store.log_frame("shapes", "truth", "classes", names)
