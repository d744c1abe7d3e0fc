"""A small workflow with a search, on data that ships inside scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import experiment_run, model_version, stage
from mistique_core.workflows.specification import SearchSpec, WorkflowSpec, load_workflow

GRID = "{method: grid, parameters: {depth: [1, 3], leaf: [1, 8]}, objective: accuracy, folds: 3, seed: 5}"
TREE_YAML = """\
project: wine
model: tree
parameters: {depth: 3, leaf: 1, share: 1.0, dataset: wine}
stages:
  read: {operator: ReadSklearn, params: {dataset: "${dataset}"}}
  split: {operator: TrainTestSplit, inputs: read, params: {seed: 1, stratify: target}}
  scaled:
    operator: Transform
    inputs: {train: split.train, test: split.test}
    params: {transformer: sklearn.preprocessing.StandardScaler, exclude: [target]}
  model:
    operator: Fit
    inputs: scaled.train
    params:
      estimator: sklearn.tree.DecisionTreeClassifier
      label: target
      params: {max_depth: "${depth}", min_samples_leaf: "${leaf}", max_features: "${share}", random_state: 0}
  predictions: {operator: Predict, inputs: {model: model, data: scaled.test}, params: {keep: [target]}}
  scores: {operator: Evaluate, inputs: predictions, params: {label: target, metrics: [accuracy]}}
"""


def workflow(folder: Path, search: str = GRID, text: str = TREE_YAML) -> WorkflowSpec:
    file = folder / "tree.yaml"
    file.write_text(f"{text}search: {search}\n")
    return load_workflow(file)


def search_of(folder: Path, search: str) -> SearchSpec:
    found = workflow(folder, search).search
    assert found is not None
    return found


def with_search(spec: WorkflowSpec, **changes: Any) -> WorkflowSpec:
    assert spec.search is not None
    return replace(spec, search=replace(spec.search, **changes))


def stages_of_trials(store: Mistique) -> list[Any]:
    """Return the stages of all trials, with the run that each belongs to."""
    query = (
        sa.select(stage, experiment_run.c.run_id, experiment_run.c.metadata.label("about"))
        .select_from(stage.join(model_version))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(experiment_run.c.run_type == "trial")
        .order_by(stage.c.id)
    )
    with store.catalogue.read() as connection:
        return list(connection.execute(query).all())
