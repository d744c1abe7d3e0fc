"""Three workflows that tell three kinds of wine apart, on the table that ships with scikit-learn."""

from __future__ import annotations

from pathlib import Path

from mistique_core import Mistique

TEMPLATE = """\
project: wines
model: {model}
parameters: {{}}
stages:
  read: {{operator: ReadSklearn, params: {{dataset: wine}}}}
  split: {{operator: TrainTestSplit, inputs: read, params: {{test_size: 0.5, seed: 2}}}}
  model: {{operator: Fit, inputs: split.train, params: {{estimator: {estimator}, label: target, params: {params}}}}}
  predictions: {{operator: Predict, inputs: {{model: model, data: split.test}}, params: {{keep: [target]}}}}
"""
MODELS = {
    "bayes": ("sklearn.naive_bayes.GaussianNB", "{}"),
    "neighbours": ("sklearn.neighbors.KNeighborsClassifier", "{n_neighbors: 9, algorithm: brute}"),
    "tree": ("sklearn.tree.DecisionTreeClassifier", "{max_depth: 2, random_state: 0}"),
}


def fill(store: Mistique, folder: Path) -> None:
    """Run the workflows against a store; the files are written to a folder."""
    for model, (estimator, params) in MODELS.items():
        file = folder / f"{model}.yaml"
        file.write_text(TEMPLATE.format(model=model, estimator=estimator, params=params))
        store.log_intermediates(file)
