"""What browsing returns: immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.edit.annotation_records import AnnotationRecord
from mistique_core.modeldb.entity_records import EventRecord, FrameRecord, ModelRecord, SpecRecord
from mistique_core.modeldb.search_records import FoundRun


@dataclass(frozen=True)
class ModelDetail:
    """A model with everything that is known about it.

    Attributes
    ----------
    model
        Its header; `model.metadata` is its free JSON.
    run
        The run that it belongs to.
    facts
        Its features, coefficients or trees, and its histories.
    spec
        What was fitted; ``None`` where no event is recorded that fitted it.
    training_frames
        The data that it was fitted on.
    metrics
        Metric -> id of the data frame that it was measured on (``None`` where that is not recorded) -> value.
    annotations
        What people wrote about it, the oldest first.
    """

    model: ModelRecord
    run: FoundRun
    facts: FitFacts
    spec: SpecRecord | None
    training_frames: tuple[FrameRecord, ...]
    metrics: dict[str, dict[int | None, float]]
    annotations: tuple[AnnotationRecord, ...]


@dataclass(frozen=True)
class RunContents:
    """A run with everything that it did.

    Attributes
    ----------
    run
        Its header, with its own metrics and hyperparameters.
    code_version, error
        Commit of the code that ran, and why the run failed; ``None`` for none.
    metadata, environment, params
        Free JSON, facts about where it ran, and what it was started with.
    events
        Every try of every stage, in the order in which they started.
    specs
        Of each event that fitted or cross-validated something, what that was.
    frames, models
        Its data frames, and its models and transformers.
    annotations
        What people wrote, the oldest first.
    """

    run: FoundRun
    code_version: str | None
    error: str | None
    metadata: dict[str, Any]
    environment: dict[str, Any]
    params: dict[str, Any]
    events: tuple[EventRecord, ...]
    specs: tuple[SpecRecord, ...]
    frames: tuple[FrameRecord, ...]
    models: tuple[ModelRecord, ...]
    annotations: tuple[AnnotationRecord, ...]


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment.

    Attributes
    ----------
    id, project_id, name
        Its row, that of its project, and its name.
    description
        "" for none.
    created_at
        Unix seconds.
    metadata
        Free JSON.
    run_ids
        Its runs that may be shown, by id.
    """

    id: int
    project_id: int
    name: str
    description: str
    created_at: float
    metadata: dict[str, Any]
    run_ids: tuple[int, ...]


@dataclass(frozen=True)
class MetricSummary:
    """The values of one metric in a project.

    Attributes
    ----------
    count
        How many values.
    minimum, mean, maximum
        Of them.
    """

    count: int
    minimum: float
    mean: float
    maximum: float


@dataclass(frozen=True)
class ProjectOverview:
    """A project at a glance; what may not be shown does not count.

    Attributes
    ----------
    id, name, author, description, created_at
        The project; ``None`` for no author or description.
    metadata, tags
        Free JSON, and tags, sorted.
    models
        Number of its fitted models and transformers; plain state of a stage, such as the categories of a one-hot
        encoding, is none.
    model_types
        Class name -> how many of them: those that predict first.
    runs
        Number of its runs.
    updated_at
        Unix seconds at which the last of its runs ended, or began; ``None`` without runs.
    metrics
        Metric -> its smallest, mean and largest value, of metrics of the newest runs.
    """

    id: int
    name: str
    author: str | None
    description: str | None
    created_at: float
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    models: int
    model_types: dict[str, int]
    runs: int
    updated_at: float | None
    metrics: dict[str, MetricSummary]
