"""The rows that people add to: projects, experiments, runs, model versions, models and data frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import data_frame, transformer
from mistique_core.catalogue.tables import experiment, experiment_run, model_version, project
from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean

TABLES = {
    "project": project,
    "experiment": experiment,
    "run": experiment_run,
    "version": model_version,
    "model": transformer,
    "data frame": data_frame,
}
TAGGED = ("project", "run", "version")
DESCRIBED = ("project", "experiment", "run")
WITH_METADATA = ("project", "experiment", "run", "model", "data frame")


def target_row(
    connection: sa.Connection, entity: str, row: int, allowed: Iterable[str], *, is_changed: bool = True
) -> sa.Row[Any]:
    """Return a row; locked on PostgreSQL where it is to be changed.

    Raises
    ------
    InvalidInputError
        If `entity` is none of `allowed`.
    NotFoundError
        If there is no such row.
    """
    known = tuple(allowed)
    if entity not in known:
        raise InvalidInputError(f"{entity!r} is not one of {', '.join(known)}; {did_you_mean(entity, known)}")
    table = TABLES[entity]
    query = sa.select(table).where(table.c.id == row)
    found = connection.execute(query.with_for_update() if is_changed else query).first()
    if found is None:
        raise NotFoundError(f"{entity} {row} does not exist; search() and browse list what does")
    return found
