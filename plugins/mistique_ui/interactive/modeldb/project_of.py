"""The project that an address names."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.tables import project
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_ui.interactive.viewer import Viewer


def project_name(viewer: Viewer, project_id: Any) -> str:
    """Return the name of a project that the user may see.

    Raises
    ------
    InvalidInputError
        If it is no number.
    NotFoundError
        If there is no such project.
    HTTPException
        403 if the user may see none of its runs.
    """
    if not isinstance(project_id, int) or isinstance(project_id, bool):
        raise InvalidInputError(f"project {str(project_id)[:80]!r} is no number; open the page from a link")
    viewer.may.see("project", [project_id])
    with viewer.catalogue.read() as connection:
        name = connection.scalar(sa.select(project.c.name).where(project.c.id == project_id))
    if name is None:
        raise NotFoundError(f"project {project_id} does not exist; the projects page lists what does")
    return str(name)
