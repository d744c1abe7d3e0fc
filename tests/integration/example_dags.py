"""The example DAGs that train: with what they are triggered here, and what their files specify."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.integration.airflow_site import MODELS, ROOT

EVERY = "MISTIQUE_EVERY_DAG"
"""Environment variable: set to ``true``, every DAG runs; else one of each kind, so that a usual run stays short."""
HOMES = {"rows": 3_000}
IMAGES = 40
FEW = ("zillow_p5_v2", "zillow_p10_v1")
"""Two models, combined; the longest chain of features."""


@cache
def document(path: str) -> dict[str, Any]:
    """Return a workflow's file as it is written."""
    return dict(yaml.safe_load((ROOT / "dags" / path).read_text()))


@dataclass(frozen=True)
class Workflow:
    """A workflow's file below ``dags``, one variation of it where it has any, and what a run of it is given."""

    path: str
    variation: str | None
    conf: dict[str, Any]

    @property
    def project(self) -> str:
        return str(document(self.path)["project"])

    @property
    def model(self) -> str:
        name = document(self.path)["model"]
        return name if self.variation is None else f"{name}_{self.variation}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The params of a run."""
        written = document(self.path)
        changes = {} if self.variation is None else written["variations"][self.variation]
        return {**written["parameters"], **changes, **self.conf}

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Stage -> ``operator``, ``inputs``, ``params``, with the values in their places."""
        return {name: _with_values(stage, self.parameters) for name, stage in document(self.path)["stages"].items()}


def _with_values(item: Any, values: dict[str, Any]) -> Any:
    if isinstance(item, dict):
        return {name: _with_values(part, values) for name, part in item.items()}
    if isinstance(item, list):
        return [_with_values(part, values) for part in item]
    if isinstance(item, str) and item.startswith("${"):
        return values[item[2:-1]]
    return item


IS_EVERY = os.environ.get(EVERY) == "true"
ZILLOW = {
    f"zillow_p{number}_v{variation}": Workflow(f"zillow/p{number}.yaml", f"v{variation}", HOMES)
    for variation in range(1, 6)
    for number in range(1, 11)
}
"""The ten templates in five variations."""
WORKFLOWS = {
    **(ZILLOW if IS_EVERY else {dag_id: ZILLOW[dag_id] for dag_id in FEW}),
    **({"cancer_trees": Workflow("search/cancer_trees.yaml", None, {})} if IS_EVERY else {}),
}


@dataclass(frozen=True)
class Network:
    """A network of ``dags/cifar10.py``, as the thesis describes it.

    Attributes
    ----------
    model, optimizer, epochs
        Name of its model, and how it is trained here.
    capture
        The task that captures its layers.
    layers
        Of each layer its name, its type, and the units that come out.
    frozen
        How many layers, from the first, no training changes.
    """

    model: str
    optimizer: str
    epochs: int
    capture: str
    layers: tuple[tuple[str, str, int], ...]
    frozen: int

    @property
    def conf(self) -> dict[str, Any]:
        return {"rows": IMAGES, "epochs": self.epochs, "every": 1}


CNN = Network(
    "cnn",
    "RMSprop",
    1,
    "capture",
    (
        *(
            layer
            for block, units in ((1, 32), (2, 64))
            for layer in (
                (f"block{block}_conv1", "Conv2D", units),
                (f"block{block}_conv2", "Conv2D", units),
                (f"block{block}_pool", "MaxPooling2D", units),
                (f"block{block}_dropout", "Dropout", units),
            )
        ),
        ("flatten", "Flatten", 2_304),
        ("dense", "Dense", 512),
        ("dropout", "Dropout", 512),
        ("logits", "Dense", 10),
    ),
    0,
)
VGG16 = Network(
    "vgg16",
    "Adam",
    2,
    "train",
    (
        *(
            layer
            for block, (units, size) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1)
            for layer in (
                *((f"block{block}_conv{number}", "Conv2D", units) for number in range(1, size + 1)),
                (f"block{block}_pool", "MaxPooling2D", units),
            )
        ),
        ("flatten", "Flatten", 512),
        ("dense", "Dense", 256),
        ("logits", "Dense", 10),
    ),
    19,
)
"""Two epochs: what the second one shares with the first is taken over."""
NETWORKS = {f"cifar10_{network.model}": network for network in ((CNN, VGG16) if IS_EVERY else (CNN,))}
CANCER = tuple(f"cancer_{model}" for model in MODELS)
CONFS: dict[str, dict[str, Any]] = {
    **{dag_id: workflow.conf for dag_id, workflow in WORKFLOWS.items()},
    **{dag_id: {} for dag_id in CANCER},
    **{dag_id: network.conf for dag_id, network in NETWORKS.items()},
}
"""DAG id -> what it is triggered with."""
BROKEN = "broken_eventful"
"""A DAG of the tests that retries, maps and skips."""
RUNS = {**CONFS, BROKEN: {}}
