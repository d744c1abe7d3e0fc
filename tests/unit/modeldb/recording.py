"""Records runs from events, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue import Catalogue, ensure_schema
from mistique_core.catalogue.tables import experiment_run
from mistique_core.model.event import StageEvent
from mistique_core.modeldb import RunRecorder


def empty_catalogue(url: str | Path) -> Catalogue:
    catalogue = Catalogue(f"sqlite:///{url}" if isinstance(url, Path) else url)
    ensure_schema(catalogue)
    return catalogue


def record(
    catalogue: Catalogue,
    project: str,
    model: str,
    events: Sequence[StageEvent] = (),
    *,
    experiment: str | None = "Default",
    state: str = "success",
    started_at: float = 1000.0,
    ended_at: float | None = 1010.0,
    **columns: Any,
) -> int:
    """Record one run; return its id. The events and their entities get their ids; `columns` are set as given."""
    recorder = RunRecorder(catalogue, project, model, experiment=experiment, started_at=started_at)
    recorder.record(events)
    with catalogue.write() as connection:
        values = {"state": state, "ended_at": ended_at, **columns}
        connection.execute(sa.update(experiment_run).where(experiment_run.c.id == recorder.id).values(**values))
    return recorder.id
