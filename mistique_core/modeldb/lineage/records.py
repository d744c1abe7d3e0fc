"""What questions about lineage return: immutable values."""

from __future__ import annotations

from dataclasses import dataclass

from mistique_core.modeldb.entity_records import EventRecord, FrameRecord, ModelRecord, SpecRecord


@dataclass(frozen=True)
class Ancestor:
    """A data frame that another one was made from.

    Attributes
    ----------
    frame
        The data frame.
    steps
        Fewest events between the two.
    """

    frame: FrameRecord
    steps: int


@dataclass(frozen=True)
class FrameAncestry:
    """Where a data frame comes from.

    Attributes
    ----------
    frame
        The data frame.
    ancestors
        All that it was made from, the nearest first.
    events
        The events between them, in an order in which they can be repeated.
    """

    frame: FrameRecord
    ancestors: tuple[Ancestor, ...]
    events: tuple[EventRecord, ...]


@dataclass(frozen=True)
class CommonAncestor:
    """The nearest data that two data frames, or two models, were made from.

    Attributes
    ----------
    ancestor
        The data frame, as the first side has it; ``None`` if there is none.
    ancestor_of_second
        The same data as the second side has it: another row where two runs hold equal content.
    steps_1, steps_2
        Events from it to each side; -1 if there is none.
    events_1, events_2
        These events, from the ancestor on.
    """

    ancestor: FrameRecord | None
    ancestor_of_second: FrameRecord | None
    steps_1: int
    steps_2: int
    events_1: tuple[EventRecord, ...]
    events_2: tuple[EventRecord, ...]


@dataclass(frozen=True)
class ModelAncestry:
    """How a model came about.

    Attributes
    ----------
    model
        The model.
    fit
        The event that fitted it.
    events
        What led to the data that it was fitted on, in an order in which it can be repeated.
    sources
        The data frames that nothing was before.
    """

    model: ModelRecord
    fit: EventRecord
    events: tuple[EventRecord, ...]
    sources: tuple[FrameRecord, ...]


@dataclass(frozen=True)
class PipelineStep:
    """One step of the pipeline behind a model.

    Attributes
    ----------
    event
        The event that did it.
    transformer
        What was applied, or for the last step the model; ``None`` for a transformation that learns nothing.
    spec
        What was fitted to make the transformer; of a transformation that learns nothing its own specification.
    """

    event: EventRecord
    transformer: ModelRecord | None
    spec: SpecRecord | None


@dataclass(frozen=True)
class SourceColumn:
    """A column of source data.

    Attributes
    ----------
    frame
        A data frame that nothing was before.
    column
        Name of the column.
    """

    frame: FrameRecord
    column: str


@dataclass(frozen=True)
class OriginalFeatures:
    """The columns of source data that a model's features come from.

    Attributes
    ----------
    model
        The model.
    columns
        The columns, by data frame and name.
    """

    model: ModelRecord
    columns: tuple[SourceColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, sorted, each once."""
        return tuple(sorted({column.column for column in self.columns}))
