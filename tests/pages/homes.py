"""Three workflows that predict amounts, on a small table of homes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mistique_core import Mistique

HOMES = 400
TEMPLATE = """\
project: homes
model: {model}
parameters: {{}}
stages:
  read: {{operator: ReadCsv, params: {{path: "{path}"}}}}
  split: {{operator: TrainTestSplit, inputs: read, params: {{test_size: 0.5, seed: 1}}}}
  model: {{operator: Fit, inputs: split.train, params: {{estimator: {estimator}, label: price, params: {params}}}}}
  predictions: {{operator: Predict, inputs: {{model: model, data: split.test}}, params: {{keep: [price]}}}}
"""
MODELS = {
    "line": ("sklearn.linear_model.LinearRegression", "{}"),
    "ridge": ("sklearn.linear_model.Ridge", "{alpha: 200.0}"),
    "tree": ("sklearn.tree.DecisionTreeRegressor", "{max_depth: 4, random_state: 0}"),
}


def fill(store: Mistique, folder: Path) -> None:
    """Run the workflows against a store; the files are written to a folder."""
    rng = np.random.default_rng(0)
    area, age, rooms = rng.uniform(40, 200, HOMES), rng.uniform(0, 90, HOMES), rng.integers(1, 7, HOMES)
    price = 3.1 * area - 0.8 * age + 12.0 * rooms + rng.normal(0, 30, HOMES)
    homes = folder / "homes.csv"
    pd.DataFrame({"area": area, "age": age, "rooms": rooms, "price": price}).to_csv(homes, index=False)
    for model, (estimator, params) in MODELS.items():
        file = folder / f"{model}.yaml"
        file.write_text(TEMPLATE.format(model=model, estimator=estimator, params=params, path=homes))
        store.log_intermediates(file)
