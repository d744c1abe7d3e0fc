"""A small workflow with its data and a user's function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import intermediate_by_id
from mistique_core.catalogue.tables import intermediate, model, model_version, project

HOMES_YAML = """\
project: homes
model: linear
tags: [small]
parameters: {alpha: 0.1, file: "${env:HOMES}/homes.csv", factor: 2}
variations:
  weak: {}
  strong: {alpha: 0.5}
stages:
  read: {operator: ReadCsv, params: {path: "${file}"}}
  enlarged: {operator: "own.py:enlarge", inputs: read, params: {factor: "${factor}"}}
  split: {operator: TrainTestSplit, inputs: enlarged, params: {test_size: 0.25}}
  scaled:
    operator: Transform
    inputs: {train: split.train, test: split.test}
    params: {transformer: sklearn.preprocessing.StandardScaler, exclude: [price]}
  fit:
    operator: TrainElasticNet
    inputs: scaled.train
    params: {label: price, params: {alpha: "${alpha}", random_state: 0}}
  predictions: {operator: Predict, inputs: {model: fit.model, data: scaled.test}, params: {keep: [price]}}
  evaluate: {operator: Evaluate, inputs: predictions, params: {label: price, metrics: [r2]}}
"""

OWN_PY = """\
def enlarge(frame, factor):
    return frame.assign(area=frame["area"] * factor)


def named(frame):
    return {"only": frame[["rooms", "area"]]}


def times_features(frame, transformer):
    return frame * len(transformer.feature_names_in_)


def refuse(frame):
    raise ZeroDivisionError(f"refuses {len(frame)} rows")
"""


def homes(rows: int = 40) -> pd.DataFrame:
    """Return the table that the workflow starts from."""
    frame = pd.DataFrame({"rooms": [n % 7 for n in range(rows)], "area": [n * 1.5 for n in range(rows)]})
    return frame.assign(price=frame["rooms"] * 2.0 + frame["area"])


def write_homes(folder: Path) -> Path:
    """Write workflow, data and code to a new folder and return it."""
    folder.mkdir(parents=True)
    homes().to_csv(folder / "homes.csv", index=False)
    (folder / "own.py").write_text(OWN_PY)
    (folder / "homes.yaml").write_text(HOMES_YAML)
    return folder


def addresses(store: Mistique, project_name: str, model_name: str) -> dict[str, Any]:
    """Return intermediate -> content address, of all versions of a model."""
    query = (
        sa.select(intermediate.c.id)
        .join(model_version, model_version.c.id == intermediate.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
        .where(project.c.name == project_name, model.c.name == model_name)
    )
    with store.catalogue.read() as connection:
        records = [intermediate_by_id(connection, row.id) for row in connection.execute(query)]
    return {record.ref.intermediate: record.address for record in records}
