"""Find the model version that a person names: by its key, or by the run that made it."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import find_version
from mistique_core.catalogue.tables import experiment_run, model, model_version, project
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model import IntermediateKey
from mistique_core.model.whole_number import whole_number


def named_version(connection: sa.Connection, name: str) -> int:
    """Return the row of a model version.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    name
        ``project.model@version``, ``project.model`` for the latest complete one, or the id of a run.

    Raises
    ------
    NotFoundError
        If there is none.
    InvalidInputError
        If a run made several versions; the message names them.
    """
    made = connection.execute(
        sa.select(model_version.c.id, project.c.name.label("project"), model.c.name, model_version.c.number)
        .select_from(model_version.join(model).join(project))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(experiment_run.c.run_id == name)
        .order_by(model_version.c.id)
    ).all()
    if len(made) > 1:
        known = ", ".join(f"{row.project}.{row.name}@{row.number}" for row in made)
        raise InvalidInputError(f"run {name!r} made several model versions; name one of {known}")
    if made:
        return int(made[0].id)
    model_name, _, number = name.partition("@")
    parts = model_name.split(".")
    version = whole_number(number, 1)
    if len(parts) != 2 or not all(parts) or (number and version is None):
        raise NotFoundError(
            f"no run is called {name!r}; give the id of a run, or a model version as project.model@version"
        )
    key = IntermediateKey(parts[0], parts[1], "any", version=version)
    return find_version(connection, key)
