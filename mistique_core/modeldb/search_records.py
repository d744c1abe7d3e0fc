"""What a search for runs returns: immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mistique_core.modeldb.records import VersionLabel


@dataclass(frozen=True)
class FoundRun:
    """A run that a search found, with the values that were asked for.

    Attributes
    ----------
    id
        Its row in the catalogue.
    source, dag_id, run_id
        Where it ran, the DAG (or script) and the run.
    project, experiment
        Where it belongs; ``None`` while that is not known.
    versions
        The model versions that it made.
    life_stages
        Life stage of each of the versions; ``None`` for one that has none.
    state
        ``running``, ``success`` or ``failed``.
    started_at, ended_at
        Unix seconds, UTC.
    author, description
        Of the run; ``None`` for none.
    tags
        Tags of the run and of its versions, sorted.
    metrics, hyperparameters
        Name -> value, of the names that were asked for. A name that several stages use is given as ``stage.name``.
    run_type
        Its kind in Airflow, such as ``manual``; ``trial`` and ``refit`` for parts of a search; ``None`` for others.
    """

    id: int
    source: str
    dag_id: str
    run_id: str
    project: str | None
    experiment: str | None
    versions: tuple[VersionLabel, ...]
    life_stages: tuple[str | None, ...]
    state: str
    started_at: float | None
    ended_at: float | None
    author: str | None
    description: str | None
    tags: tuple[str, ...]
    metrics: dict[str, float]
    hyperparameters: dict[str, Any]
    run_type: str | None = None

    @property
    def label(self) -> str:
        """The model versions for people; the run's id while there is none."""
        return ", ".join(map(str, self.versions)) or self.run_id

    @property
    def seconds(self) -> float | None:
        """Wall time from start to end; ``None`` while it runs."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at


@dataclass(frozen=True)
class SearchPage:
    """A page of found runs.

    Attributes
    ----------
    runs
        The runs of this page, in the order of the filter.
    total
        Number of runs that fit, on all pages.
    limit, offset
        The page that was asked for.
    query
        The filter as it was understood.
    hints
        What may be wrong with it, such as a metric that no run has; empty for nothing.
    """

    runs: tuple[FoundRun, ...]
    total: int
    limit: int
    offset: int
    query: str
    hints: tuple[str, ...]
