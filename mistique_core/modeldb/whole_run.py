"""Record a run that is known as a whole, in one transaction: it is there, or nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import SUCCESS, RunKey, model_version_of, save_run
from mistique_core.catalogue.events import record_events
from mistique_core.catalogue.tables import experiment_run, model, model_version, project
from mistique_core.model.event import StageEvent
from mistique_core.model.names import MAX_CHARACTERS, RESERVED, check_name
from mistique_core.modeldb.records import VersionLabel

_LONGEST = 250


@dataclass(frozen=True)
class WholeRun:
    """A run with everything that is known about it.

    Attributes
    ----------
    source, name, run_id
        What tells it from all others.
    project, model
        What it belongs to; made when they are new.
    events
        What happened, an event before its parts.
    experiment
        Groups runs of a project; default `name`.
    state, started_at, ended_at, error
        How it ended; Unix seconds.
    author, description, code_version, environment, metadata
        What else is known.
    """

    source: str
    name: str
    run_id: str
    project: str
    model: str
    events: Sequence[StageEvent]
    experiment: str | None = None
    state: str = SUCCESS
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    author: str | None = None
    description: str | None = None
    code_version: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> RunKey:
        """What identifies it in the catalogue."""
        return RunKey(self.source, self.name[:_LONGEST], self.run_id[:_LONGEST])


def record_whole_run(catalogue: Catalogue, run: WholeRun) -> VersionLabel:
    """Record a run with its events; return the model version that it made.

    Raises
    ------
    InvalidInputError
        If the project or the model is no name for keys.
    CatalogueError
        If it cannot be recorded; nothing of it is there then.
    """
    check_name("project", run.project)
    check_name("model", run.model)
    _number_names(run.events)
    with catalogue.write() as connection:
        row = save_run(
            connection,
            run.key,
            project_name=run.project,
            experiment_name=run.experiment,
            overwrite=True,
            state=run.state,
            started_at=run.started_at,
            ended_at=run.ended_at,
            error=run.error,
            author=run.author,
            description=run.description,
            code_version=run.code_version,
            environment=dict(run.environment),
            metadata=dict(run.metadata),
        )
        version_id, number = model_version_of(connection, run.project, run.model, row)
        record_events(connection, row, version_id, run.events)
    return VersionLabel(run.project, run.model, number)


def _number_names(events: Sequence[StageEvent]) -> None:
    """Give each event a name of its own: one that comes again gets a number."""
    taken: set[str] = set()
    for event in events:
        wanted, number = event.name, 1
        while event.name in taken:
            number += 1
            event.name = f"{wanted}_{number}"
        taken.add(event.name)


def recorded_versions(connection: sa.Connection, source: str, run_ids: Sequence[str]) -> dict[str, VersionLabel]:
    """Return run id -> model version of those of some runs of a source that are recorded with one."""
    query = (
        sa.select(experiment_run.c.run_id, project.c.name, model.c.name, model_version.c.number)
        .select_from(
            experiment_run.join(model_version, model_version.c.run_id == experiment_run.c.id)
            .join(model, model.c.id == model_version.c.model_id)
            .join(project, project.c.id == model.c.project_id)
        )
        .where(experiment_run.c.source == source, experiment_run.c.run_id.in_(list(run_ids)))
        .order_by(model_version.c.id)
    )
    return {run_id: VersionLabel(*label) for run_id, *label in connection.execute(query)}


def name_for_keys(text: str) -> str:
    """Return a text as a name that keys can hold: what separates their parts becomes ``_``."""
    made = "".join("_" if c in RESERVED or not c.isprintable() else c for c in text)[:MAX_CHARACTERS].strip()
    return made or "unnamed"
