"""A run of MLflow as plain values, wherever it was read from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from blake3 import blake3

from mistique_core.errors import InvalidInputError

STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
"""Numbers of MLflow's states, as its files hold them."""


class MlflowFormatError(InvalidInputError):
    """Something of a tracking store cannot be read; the message names the file."""


@dataclass(frozen=True)
class MetricPoint:
    """One logged value.

    Attributes
    ----------
    timestamp
        Unix milliseconds.
    value, step
        As logged; steps may come twice, in any order, and be negative.
    dataset
        Name and digest of the dataset that it was measured on; ``None`` where that is not said.
    """

    timestamp: int
    value: float
    step: int = 0
    dataset: tuple[str, str] | None = None


@dataclass(frozen=True)
class MlflowDataset:
    """A dataset that a run took.

    Attributes
    ----------
    name, digest, source_type, source, schema, profile
        MLflow's texts; the last three are mostly JSON, "" for none.
    tags
        Of its use by the run; ``mlflow.data.context`` says what for.
    """

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def context(self) -> str:
        """What it was used for, such as ``training``; "" where that is not said."""
        return self.tags.get("mlflow.data.context", "")


@dataclass(frozen=True)
class MlflowModel:
    """A model that a run saved.

    Attributes
    ----------
    name, path
        Its name, and where it is.
    flavors
        What can load it: ``sklearn``, ``python_function``.
    """

    name: str
    path: str
    flavors: tuple[str, ...] = ()


@dataclass(frozen=True)
class MlflowRun:
    """A run.

    Attributes
    ----------
    run_id, experiment_id, experiment
        Its id; id and name of its experiment.
    name, user, status
        Status is one of :data:`STATUSES`.
    start_time, end_time
        Unix milliseconds; ``None`` where they are not known.
    params, tags
        Texts by name.
    metrics
        Name -> logged values, at least one each, in the order in which they were logged.
    datasets, models
        What it took, and what it saved.
    artifact_uri, artifacts
        Where its files are, and their paths below, as far as they can be seen.
    """

    run_id: str
    experiment_id: str
    experiment: str
    name: str = ""
    user: str = ""
    status: str = "FINISHED"
    start_time: int | None = None
    end_time: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, tuple[MetricPoint, ...]] = field(default_factory=dict)
    datasets: tuple[MlflowDataset, ...] = ()
    models: tuple[MlflowModel, ...] = ()
    artifact_uri: str = ""
    artifacts: tuple[str, ...] = ()

    def last(self, metric: str) -> MetricPoint:
        """Return the value that MLflow shows for a metric: of the highest step, then the latest, then the largest."""
        return max(self.metrics[metric], key=lambda point: (point.step, point.timestamp, point.value))

    def digest(self) -> str:
        """Return what is the same as long as nothing of the run changes: 32 hexadecimal digits."""
        document: dict[str, Any] = asdict(self)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return blake3(b"mlflow run\0" + text.encode()).hexdigest()[:32]
