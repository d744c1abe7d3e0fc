"""What the Light API is told about: datasets, models, their settings and their metrics (thesis 4.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """Data that models were fitted or measured on; it need not exist on this machine.

    Attributes
    ----------
    filename
        Where it is.
    metadata
        Free JSON. ``NUM_ROWS`` and ``COLUMNS`` (names, or name -> type) are recorded as its shape.
    tag
        What models and metrics name it by.
    extra
        Further keys of its entry in a file.
    """

    filename: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig:
    """The settings that a model was fitted with.

    Attributes
    ----------
    model_type
        Kind of model, such as ``Random Forest``.
    config
        Name -> JSON value.
    tag
        A name for people.
    """

    model_type: str
    config: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""


@dataclass(frozen=True)
class Metric:
    """One number that tells how good a model is.

    Attributes
    ----------
    name
        Such as ``accuracy``.
    value
        The number.
    tag
        Tag of the dataset that it was measured on; "" for the one that the model was fitted on.
    extra
        Further keys of its entry in a file.
    """

    name: str
    value: float
    tag: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelMetrics:
    """Metrics of one model on one dataset.

    Attributes
    ----------
    metrics
        Name -> value.
    tag
        A name for people.
    """

    metrics: Mapping[str, float]
    tag: str = ""


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes
    ----------
    model_type
        Kind of model, such as ``Random Forest``.
    name
        Its name.
    path
        Where it is saved; "" if it is not.
    tag
        Tag of the dataset that it was fitted on; "" for none, or for the only one.
    config
        Name -> JSON value of its settings.
    metrics
        What was measured.
    metadata
        Free JSON: owner, date, and whatever else a file says.
    """

    model_type: str
    name: str
    path: str = ""
    tag: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LightFile:
    """What a file says; every tag in it names one of its datasets.

    Attributes
    ----------
    datasets, models
        In the order of the file.
    project, experiment, description, code_version
        What it belongs to; ``None`` where it does not say.
    extra
        Its further keys.
    """

    datasets: tuple[Dataset, ...]
    models: tuple[Model, ...]
    project: str | None = None
    experiment: str | None = None
    description: str | None = None
    code_version: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
