"""Where a stage belongs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StagePlace:
    """Where a stage belongs.

    Attributes
    ----------
    model_version_id
        The model version.
    name
        Name of the stage in it.
    map_index
        Index of a mapped task, else -1.
    task_id
        The task that ran it, where there is one.
    parent_id
        The stage that it is a part of, such as a cross-validation, if any.
    """

    model_version_id: int
    name: str
    map_index: int = -1
    task_id: str | None = None
    parent_id: int | None = None
