"""Data frames, transformers and events as ModelDB returns them: immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FrameRecord:
    """A data frame.

    Attributes
    ----------
    id, run_id
        Its row, and that of its run.
    stage_id, output
        The event that made it (``None`` where none did), and the name of the output; "" for the only one.
    rows
        Number of rows; ``None`` where it is not known.
    columns
        (name, type) of each column, the type "" where it is not recorded; ``None`` where they are not known.
    tag, filepath
        A name for people, and where it came from; "" for none.
    metadata
        Free JSON.
    intermediate
        Name of the intermediate that holds it; ``None`` where the store does not hold it.
    address
        Hex content address of the intermediate; ``None`` where the store does not hold it.
    """

    id: int
    run_id: int
    stage_id: int | None
    output: str
    rows: int | None
    columns: tuple[tuple[str, str], ...] | None
    tag: str
    filepath: str
    metadata: dict[str, Any]
    intermediate: str | None
    address: str | None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of its columns; ``None`` where they are not known."""
        return None if self.columns is None else tuple(name for name, _ in self.columns)

    @property
    def content(self) -> str | int:
        """What is equal for frames of equal content: the address where there is one, else the id."""
        return self.id if self.address is None else self.address


@dataclass(frozen=True)
class ModelRecord:
    """A fitted model or transformer.

    Attributes
    ----------
    id, run_id
        Its row, and that of its run.
    stage_id, output
        The event that fitted it (``None`` where none did), and the name of the output.
    type_name
        Class name.
    problem_type
        A value of :class:`mistique_core.model.ProblemType`.
    facts_id
        Row of what is known about its inside; ``None`` for nothing.
    tag, filepath
        A name for people, and where it is saved; "" for none.
    metadata
        Free JSON.
    is_stored
        Whether the store holds the fitted object.
    """

    id: int
    run_id: int
    stage_id: int | None
    output: str
    type_name: str
    problem_type: str
    facts_id: int | None
    tag: str
    filepath: str
    metadata: dict[str, Any]
    is_stored: bool


@dataclass(frozen=True)
class EventRecord:
    """An event: one try of one stage.

    Attributes
    ----------
    id, run_id
        Its row, and that of its run.
    kind
        A value of :class:`mistique_core.model.StageKind`; "other" where an earlier version recorded it.
    name, label, operator
        Which stage, and what ran.
    params, facts
        Its parameters, and what else its kind knows.
    parent_id
        The event that it is a part of.
    tag
        A name for people; "" for none.
    state
        ``running``, ``success`` or ``failed``.
    is_last_try
        Whether no later try of it exists.
    started_at, ended_at
        Unix seconds.
    frame_inputs, model_inputs
        (input, id) of the data frames and transformers that it took.
    frames, fitted
        Ids of the data frames and transformers that it made.
    """

    id: int
    run_id: int
    kind: str
    name: str
    label: str
    operator: str
    params: dict[str, Any]
    facts: dict[str, Any]
    parent_id: int | None
    tag: str
    state: str
    is_last_try: bool
    started_at: float
    ended_at: float | None
    frame_inputs: tuple[tuple[str, int], ...]
    model_inputs: tuple[tuple[str, int], ...]
    frames: tuple[int, ...]
    fitted: tuple[int, ...]


@dataclass(frozen=True)
class SpecRecord:
    """What was fitted: the specification of a transformer.

    Attributes
    ----------
    stage_id, run_id
        The event that fitted it, which stands for it, and its run.
    label
        What was fitted, for people.
    hyperparameters
        Name -> JSON value.
    tag
        A name for people; "" for none.
    """

    stage_id: int
    run_id: int
    label: str
    hyperparameters: dict[str, Any]
    tag: str
