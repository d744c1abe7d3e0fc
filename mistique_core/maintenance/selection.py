"""Which rows of the catalogue a deletion names."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.entities import RUNNING
from mistique_core.catalogue.tables import (
    experiment_run,
    fitted,
    intermediate,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.maintenance.batches import select_in


@dataclass(frozen=True)
class Selected:
    """Ids of what is to be deleted.

    Attributes
    ----------
    label
        What was named, ``project.model@version.intermediate``.
    project
        The project, where all of it was named or nothing is left of it; else ``None``.
    models, versions, stages, intermediates, fitted
        Rows of each kind.
    touched_versions
        Model versions of which anything is deleted.
    running
        Labels of the touched versions whose run has not ended.
    """

    label: str
    project: int | None
    models: frozenset[int]
    versions: frozenset[int]
    stages: frozenset[int]
    intermediates: frozenset[int]
    fitted: frozenset[int]
    touched_versions: frozenset[int]
    running: tuple[str, ...]


def select_rows(
    connection: sa.Connection,
    project_name: str,
    model_name: str | None,
    version: int | None,
    intermediate_name: str | None,
) -> Selected:
    """Return the rows that belong to what is named.

    Raises
    ------
    InvalidInputError
        If a version or an intermediate is named without a model.
    NotFoundError
        If there is no such thing.
    """
    if model_name is None and (version is not None or intermediate_name is not None):
        raise InvalidInputError(f"name the model of project {project_name!r} whose version or intermediate is meant")
    project_id = _project(connection, project_name)
    models = _models(connection, project_id, project_name, model_name)
    label = project_name + (f".{model_name}" if model_name is not None else "")
    numbers = _versions(connection, models)
    chosen = {item: row for item, row in numbers.items() if version is None or row.number == version}
    if version is not None:
        label += f"@{version}"
        if not chosen:
            known = ", ".join(f"@{row.number}" for row in numbers.values()) or "none"
            raise NotFoundError(f"model {project_name}.{model_name} has no version {version}; known: {known}")
    running = {item: f"{row.project}.{row.model}@{row.number}" for item, row in chosen.items() if row.state == RUNNING}
    if intermediate_name is not None:
        return _intermediates(connection, label, frozenset(chosen), intermediate_name, running)
    all_of_models = version is None or len(chosen) == len(numbers)
    stages = select_in(connection, sa.select(stage.c.id), stage.c.model_version_id, chosen)
    intermediates = select_in(connection, sa.select(intermediate.c.id), intermediate.c.model_version_id, chosen)
    objects = select_in(connection, sa.select(fitted.c.id), fitted.c.model_version_id, chosen)
    return Selected(
        label,
        project_id if all_of_models else None,
        frozenset(models) if all_of_models else frozenset(),
        frozenset(chosen),
        frozenset(int(row.id) for row in stages),
        frozenset(int(row.id) for row in intermediates),
        frozenset(int(row.id) for row in objects),
        frozenset(chosen),
        tuple(running[item] for item in sorted(running)),
    )


def _project(connection: sa.Connection, name: str) -> int:
    found = connection.scalar(sa.select(project.c.id).where(project.c.name == name))
    if found is None:
        known = connection.scalars(sa.select(project.c.name))
        raise NotFoundError(f"project {name!r} does not exist; {did_you_mean(name, known)}")
    return int(found)


def _models(connection: sa.Connection, project_id: int, project_name: str, name: str | None) -> dict[int, str]:
    rows = connection.execute(sa.select(model.c.id, model.c.name).where(model.c.project_id == project_id)).all()
    found = {int(row.id): str(row.name) for row in rows if name is None or row.name == name}
    if not found:
        named = "models" if name is None else f"model {name!r}"
        remedy = did_you_mean(name or "", [row.name for row in rows])
        raise NotFoundError(f"project {project_name!r} has no {named}; {remedy}")
    return found


def _versions(connection: sa.Connection, models: dict[int, str]) -> dict[int, sa.Row[tuple[object, ...]]]:
    query = sa.select(
        model_version.c.id,
        model_version.c.number,
        model.c.name.label("model"),
        project.c.name.label("project"),
        experiment_run.c.state,
    ).select_from(
        model_version.join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
    )
    return {int(row.id): row for row in select_in(connection, query, model_version.c.model_id, models)}


def _intermediates(
    connection: sa.Connection, label: str, versions: frozenset[int], name: str, running: dict[int, str]
) -> Selected:
    """Select the intermediates of one name, every attempt of them."""
    query = sa.select(intermediate.c.id, intermediate.c.name, intermediate.c.model_version_id)
    rows = list(select_in(connection, query, intermediate.c.model_version_id, versions))
    chosen = [row for row in rows if row.name == name]
    if not chosen:
        known = {str(row.name) for row in rows}
        raise NotFoundError(f"model {label} has no intermediate {name!r}; {did_you_mean(name, known)}")
    nothing: frozenset[int] = frozenset()
    touched = frozenset(int(row.model_version_id) for row in chosen)
    ids = frozenset(int(row.id) for row in chosen)
    labels = tuple(running[item] for item in sorted(touched & set(running)))
    return Selected(f"{label}.{name}", None, nothing, nothing, nothing, ids, nothing, touched, labels)
