"""What happened in a workflow, as plain values: the events of ModelDB (thesis 4.4).

An event is a stage: what it took, what it made, and what it measured. A stage of a DAG or a YAML file, a call of a
scikit-learn client, an entry of a Light API file and an imported run all become the same kind of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mistique_core.model.fit_facts import FitFacts


class StageKind(StrEnum):
    """What a stage does; the kinds of events of the original ModelDB, and reading."""

    READ = "read"
    TRANSFORM = "transform"
    SPLIT = "split"
    FIT = "fit"
    PREDICT = "predict"
    METRIC = "metric"
    PIPELINE = "pipeline"
    CROSS_VALIDATION = "cross validation"
    GRID_SEARCH = "grid search"
    OTHER = "other"


@dataclass
class FrameEntity:
    """A DataFrame of ModelDB: facts about data that may or may not be stored.

    Attributes
    ----------
    rows
        Number of rows; ``None`` where it is not known.
    columns
        (name, type) of each column; ``None`` where they are not known.
    tag, filepath
        A name for people, and where it came from; "" for none.
    metadata
        Free JSON.
    id
        Its row in the catalogue, once it is recorded.
    """

    rows: int | None = None
    columns: tuple[tuple[str, str], ...] | None = None
    tag: str = ""
    filepath: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


@dataclass
class TransformerEntity:
    """A fitted model or transformer of ModelDB.

    Attributes
    ----------
    facts
        What is known about it.
    tag, filepath
        A name for people, and where it is saved; "" for none.
    metadata
        Free JSON.
    id
        Its row in the catalogue, once it is recorded.
    """

    facts: FitFacts
    tag: str = ""
    filepath: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


Entity = FrameEntity | TransformerEntity


@dataclass
class StageEvent:
    """One event, to be recorded as a stage.

    Attributes
    ----------
    kind
        What it is.
    name
        Name of the stage in its run; a name that comes again gets a number.
    operator
        Import path of what ran: that of the stage that does the same in a workflow, where there is one, so that the
        run can be re-created from its record.
    label
        The operator for people, such as ``LogisticRegression``.
    params
        The operator's parameters, JSON values: those of the stage class, where `operator` names one.
    inputs
        Input name -> what it took, recorded before or together with this event.
    frames, fitted
        Output name -> what it made; "" is the only frame.
    metrics
        Name -> value.
    metrics_of, metrics_on
        The model that was measured, and the data that it was measured on.
    hyperparameters
        Name -> JSON value of the specification that was fitted.
    facts
        What else the kind knows, JSON: ``{"seed", "weights"}`` of a split, ``{"folds", "seed", "evaluator"}`` of a
        cross-validation, ``{"input_columns", "output_columns"}`` of a transformation, ``{"position"}`` in a pipeline.
    tag
        A name for people.
    parent
        The event that this one is a part of: a cell of a grid search, a fold of a cross-validation, a stage of a
        pipeline. Metrics and hyperparameters of parts do not count as the run's own.
    started_at, ended_at
        Unix seconds.
    error
        Why it failed; ``None`` for a success.
    code_hash
        Hash of the code that ran, where it is known.
    libraries
        Package -> version.
    id
        Its row in the catalogue, once it is recorded.
    """

    kind: StageKind
    name: str
    operator: str
    label: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Entity] = field(default_factory=dict)
    frames: Mapping[str, FrameEntity] = field(default_factory=dict)
    fitted: Mapping[str, TransformerEntity] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    metrics_of: TransformerEntity | None = None
    metrics_on: FrameEntity | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""
    parent: StageEvent | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    error: str | None = None
    code_hash: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    id: int | None = None
