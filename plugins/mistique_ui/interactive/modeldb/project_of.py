"""The project that an address names."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.tables import project
from mistique_core.errors import NotFoundError
from mistique_ui.interactive.viewer import Viewer


def project_name(viewer: Viewer, project_id: int) -> str:
    """Return the name of a project that the user may see.

    Raises
    ------
    NotFoundError
        If there is no such project.
    HTTPException
        403 if the user may see none of its runs.
    """
    viewer.may.see("project", [project_id])
    with viewer.catalogue.read() as connection:
        name = connection.scalar(sa.select(project.c.name).where(project.c.id == project_id))
    if name is None:
        raise NotFoundError(f"project {project_id} does not exist; the projects page lists what does")
    return str(name)


def project_id(viewer: Viewer, name: str | None) -> int | None:
    """Return the row of a project; ``None`` where there is none."""
    with viewer.catalogue.read() as connection:
        found = connection.scalar(sa.select(project.c.id).where(project.c.name == name))
    return None if found is None else int(found)
