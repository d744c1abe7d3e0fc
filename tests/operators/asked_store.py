"""One small store of which every technique has something to tell, and a question for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mistique_core import Mistique

ROWS = 60
Y = "shop.linear.scores"

REQUESTS: dict[str, dict[str, Any]] = {
    "pointq": {"keys": [f"{Y}.truth", f"{Y}.guess"], "row_id": [8, 2]},
    "topk": {"key": f"{Y}.score", "k": 4, "columns": [f"{Y}.truth"]},
    "col_dist": {"key": f"{Y}.score", "group": f"{Y}.town", "bins": 5},
    "col_diff": {"key_a": f"{Y}.guess", "key_b": "shop.tree.scores.guess", "group": f"{Y}.town"},
    "confusion_matrix": {"truth": f"{Y}.truth", "prediction": f"{Y}.guess", "normalize": "truth"},
    "mispredicted": {"truth": f"{Y}.truth", "prediction_a": f"{Y}.guess", "prediction_b": "shop.tree.scores.guess"},
    "group_metrics": {"truth": f"{Y}.truth", "predictions": [f"{Y}.guess"], "group": f"{Y}.town"},
    "knn": {"keys": ["shop.linear.features"], "row_id": 8, "k": 3, "columns": [f"{Y}.truth"]},
    "row_diff": {"keys": ["shop.linear.features"], "row_a": 8, "row_b": 2},
    "row_average_compare": {"keys": ["shop.linear.features"], "row_id": 8, "group": f"{Y}.truth"},
    "svcca": {"keys_a": ["shop.linear.features"], "keys_b": [f"{Y}.score"], "variance": 0.9},
    "vis": {"keys": ["shop.net.conv"], "group": f"{Y}.truth"},
    "netdissect": {"keys": ["shop.net.conv"], "masks": ["shop.net.masks"], "alpha": 0.2},
    "feature_correlation": {"keys": ["shop.linear.features"], "target": f"{Y}.score", "where": ["score>0"]},
}
"""A question for each technique, as its form sends it."""


def fill(store: Mistique) -> None:
    """Log features, scores of two models, and a layer of maps with its masks."""
    rng = np.random.default_rng(5)
    ids = pd.Index(rng.permutation(ROWS) * 2, name="row_id")
    features = pd.DataFrame(rng.normal(size=(ROWS, 4)), columns=list("abcd"), index=ids)
    score = features["a"] + rng.normal(size=ROWS) / 2
    scores = pd.DataFrame(
        {
            "score": score,
            "truth": (features["a"] > 0).astype(int),
            "guess": (score > 0).astype(int),
            "town": rng.choice(["Ghent", "Namur"], ROWS),
        },
        index=ids,
    )
    store.log_frame("shop", "linear", "features", features)
    with store.run("shop", "tree") as run:
        run.log_frame("scores", scores.assign(guess=rng.integers(0, 2, ROWS)))
    with store.run("shop", "linear") as run:
        run.log_frame("features", features)
        run.log_frame("scores", scores)
    conv = np.maximum(rng.normal(size=(ROWS, 4, 4, 5)), 0).astype(np.float32)
    with store.run("shop", "net") as run:
        run.log_array("conv", conv, row_id=ids)
        run.log_array("masks", (conv[..., :2] > 0.5).astype(np.uint8), row_id=ids, names=["cat", "dog"])
