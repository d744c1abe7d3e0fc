"""What is told about a task's datasets: plain values, gathered before the provider asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Access = Literal["read", "rerun"]


@dataclass(frozen=True)
class DatasetFacts:
    """An intermediate or a fitted object.

    Attributes
    ----------
    project, model, version, name
        Its address.
    fitted_type
        Import path of the class of a fitted object; ``None`` for an intermediate.
    fitted_by
        The stage that fitted it.
    rows
        Number of rows; 0 for a fitted object.
    columns
        Names and types of its first columns.
    column_count
        How many it has.
    logical_bytes, stored_bytes
        Bytes of its values, and bytes that storing it added.
    scheme
        Text of the lossy scheme, or ``lossless``.
    reused
        Of an output: whether it was taken over instead of made.
    access
        Of what a question is about: whether it was read or re-run.
    rerun_stages
        How many stages that re-run executed.
    """

    project: str
    model: str
    version: int
    name: str
    fitted_type: str | None = None
    fitted_by: str = ""
    rows: int = 0
    columns: tuple[tuple[str, str], ...] = ()
    column_count: int = 0
    logical_bytes: int = 0
    stored_bytes: int = 0
    scheme: str = ""
    reused: bool | None = None
    access: Access | None = None
    rerun_stages: int = 0


@dataclass(frozen=True)
class StageDone:
    """What running a stage did; see :class:`mistique_core.engine.StageOutcome`."""

    reused: bool
    seconds: float
    logical_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class CaptureDone:
    """What capturing a network did; see :class:`mistique_core.store.network_report.NetworkReport`.

    `stored`, `reused` and `pending` are numbers of layers.
    """

    stored: int
    reused: int
    pending: int
    rows: int
    row_blocks: int
    seconds: float
    logical_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class AnswerDone:
    """How a question was answered; `strategy` is ``read``, ``rerun`` or ``mixed``."""

    technique: str
    strategy: str


@dataclass(frozen=True)
class TaskFacts:
    """Everything that is told about one task.

    Attributes
    ----------
    store_uri
        Where the store is, without credentials.
    inputs, outputs
        The datasets.
    done
        What the task did; ``None`` of one that failed.
    """

    store_uri: str
    inputs: tuple[DatasetFacts, ...] = field(default_factory=tuple)
    outputs: tuple[DatasetFacts, ...] = field(default_factory=tuple)
    done: StageDone | CaptureDone | AnswerDone | None = None
