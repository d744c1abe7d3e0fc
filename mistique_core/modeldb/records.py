"""What ModelDB returns about runs: immutable values, ready to be shown or turned into JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class VersionLabel:
    """One model version.

    Attributes
    ----------
    project, model, version
        Its names and its number.
    """

    project: str
    model: str
    version: int

    def __str__(self) -> str:
        return f"{self.project}.{self.model}@{self.version}"


@dataclass(frozen=True)
class RunSummary:
    """One ExperimentRun.

    Attributes
    ----------
    id
        Its row in the catalogue.
    source
        ``airflow`` or ``python``.
    dag_id, run_id
        The DAG (or script) and the run.
    project, experiment
        Where it belongs; ``None`` while that is not known.
    versions
        The model versions that it made; empty before its first stage.
    run_type, dag_version, conf, params
        As they were reported.
    state
        ``running``, ``success`` or ``failed``.
    started_at, ended_at
        Unix seconds, UTC.
    error
        Why it failed.
    metrics, hyperparameters
        Name -> value, of the last try of each stage. A name that several stages use is given as
        ``stage.name``.
    stages, reused
        Number of stages (mapped ones each), and how many of them took over earlier outputs.
    logical_bytes, stored_bytes
        Bytes of its intermediates as logged, and bytes that they added to the store.
    """

    id: int
    source: str
    dag_id: str
    run_id: str
    project: str | None
    experiment: str | None
    versions: tuple[VersionLabel, ...]
    run_type: str | None
    dag_version: str | None
    state: str
    started_at: float | None
    ended_at: float | None
    error: str | None
    conf: dict[str, Any] | None
    params: dict[str, Any] | None
    metrics: dict[str, float]
    hyperparameters: dict[str, Any]
    stages: int
    reused: int
    logical_bytes: int
    stored_bytes: int

    @property
    def label(self) -> str:
        """The model versions for people; the run's id while there is none."""
        return ", ".join(map(str, self.versions)) or self.run_id

    @property
    def seconds(self) -> float | None:
        """Wall time from start to end; ``None`` while it runs."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at


@dataclass(frozen=True)
class RunPage:
    """A page of runs, newest first.

    Attributes
    ----------
    runs
        The runs of this page.
    total
        Number of runs that match.
    limit, offset
        The page that was asked for.
    """

    runs: tuple[RunSummary, ...]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True)
class StageInput:
    """What a stage took.

    Attributes
    ----------
    name
        Name of the input.
    kind
        ``intermediate`` or ``fitted``; ``data frame`` or ``transformer`` for what the store does not hold.
    label
        ``project.model@version.name`` of an intermediate, ``project.model@version.stage.output`` of a fitted object,
        ``stage.output`` of what the store does not hold.
    """

    name: str
    kind: str
    label: str


@dataclass(frozen=True)
class IntermediateSummary:
    """A frame that a stage, or a script, logged.

    Attributes
    ----------
    name, attempt
        Its name in the model version, and the how-manyth of that name it is.
    label
        ``project.model@version.name``.
    rows, columns
        Its shape; the row ids are not counted as a column.
    logical_bytes, stored_bytes
        Bytes as logged, and bytes that it added to the store.
    """

    name: str
    attempt: int
    label: str
    rows: int
    columns: int
    logical_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class FittedSummary:
    """A fitted object.

    Attributes
    ----------
    name
        Name of the output.
    type_name
        Its class.
    bytes
        Its size before encoding; ``None`` where the store does not hold it.
    """

    name: str
    type_name: str
    bytes: int | None


@dataclass(frozen=True)
class FrameSummary:
    """A data frame that the store does not hold.

    Attributes
    ----------
    id
        Its row in the catalogue.
    output
        Name of the stage's output; "" for the only one.
    tag, filepath
        A name for people, and where it came from; "" for none.
    rows, columns
        Its shape; ``None`` where that is not known.
    """

    id: int
    output: str
    tag: str
    filepath: str
    rows: int | None
    columns: int | None


@dataclass(frozen=True)
class ReuseOrigin:
    """The stage that a reused stage's outputs came from.

    Attributes
    ----------
    label
        ``project.model@version.stage``.
    source, dag_id, run_id
        The ExperimentRun that executed it.
    """

    label: str
    source: str
    dag_id: str
    run_id: str


@dataclass(frozen=True)
class StageRecord:
    """One try of one stage.

    Attributes
    ----------
    id, version
        Its row in the catalogue, and the model version that it belongs to.
    name, task_id, map_index, try_number
        Which stage; ``map_index`` is -1 when it is not mapped.
    is_last_try
        Whether no later try of it exists.
    label, operator, params, code_hash
        What it runs.
    state
        ``running``, ``success``, ``failed`` or ``skipped``.
    is_reused, origin
        Whether its outputs were taken over, and from where (``None`` when the reader may not know).
    started_at, ended_at
        Unix seconds, UTC.
    load_seconds, transformer_seconds, exec_seconds, store_seconds
        Measured seconds; for a reused stage those of its origin: what it saved.
    error
        Why it failed.
    inputs, outputs, fitted, metrics, hyperparameters
        What it took, made and measured.
    frames
        Data frames that it made and that the store does not hold.
    kind
        Which event it is (:class:`mistique_core.model.StageKind`); ``None`` where an earlier version recorded it.
    parent_id
        The stage that it is a part of: a fold of a cross-validation, a step of a pipeline.
    facts
        What else its kind knows, such as the seed of a split.
    tag
        A name for people; "" for none.
    """

    id: int
    version: VersionLabel
    name: str
    task_id: str | None
    map_index: int
    try_number: int
    is_last_try: bool
    label: str
    operator: str
    params: dict[str, Any]
    code_hash: str | None
    state: str
    is_reused: bool
    origin: ReuseOrigin | None
    started_at: float
    ended_at: float | None
    load_seconds: float | None
    transformer_seconds: float | None
    exec_seconds: float | None
    store_seconds: float | None
    error: str | None
    inputs: tuple[StageInput, ...]
    outputs: tuple[IntermediateSummary, ...]
    fitted: tuple[FittedSummary, ...]
    metrics: dict[str, float]
    hyperparameters: dict[str, Any]
    frames: tuple[FrameSummary, ...] = ()
    kind: str | None = None
    parent_id: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    tag: str = ""

    @property
    def work_seconds(self) -> float | None:
        """Sum of the measured parts; ``None`` when nothing was measured."""
        parts = [self.load_seconds, self.transformer_seconds, self.exec_seconds, self.store_seconds]
        known = [part for part in parts if part is not None]
        return sum(known) if known else None

    @property
    def wall_seconds(self) -> float | None:
        """Seconds from start to end; ``None`` while it runs."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    @property
    def outcome(self) -> str:
        """``reused``, ``executed``, ``failed``, ``skipped`` or ``running``, for people."""
        if self.state == "success":
            return "reused" if self.is_reused else "executed"
        return self.state


@dataclass(frozen=True)
class RunDetail:
    """One ExperimentRun with everything that it did.

    Attributes
    ----------
    run
        Its header.
    stages
        Every try of every stage, in the order in which they started.
    frames
        Intermediates that were logged without a stage.
    """

    run: RunSummary
    stages: tuple[StageRecord, ...]
    frames: tuple[IntermediateSummary, ...]


@dataclass(frozen=True)
class QueryRecord:
    """A diagnostic question and its answer.

    Attributes
    ----------
    id, created_at
        Its row in the catalogue; Unix seconds, UTC.
    dag_id, run_id
        The DAG run that asked; ``None`` when none did.
    technique, request
        What was asked.
    plan, strategy
        The explained plan, and ``read``, ``rerun`` or ``mixed``.
    answer
        ``{"sentence", "columns", "rows", "row_count", "truncated"}``; ``None`` when it failed.
    seconds
        Wall time.
    error
        Why it failed.
    """

    id: int
    created_at: float
    dag_id: str | None
    run_id: str | None
    technique: str
    request: dict[str, Any]
    plan: str | None
    strategy: str | None
    answer: dict[str, Any] | None
    seconds: float | None
    error: str | None
