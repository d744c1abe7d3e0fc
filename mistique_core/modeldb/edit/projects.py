"""Facts about projects, experiments and runs that people write: names, authors, descriptions."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.tables import project
from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.modeldb.edit.targets import DESCRIBED, TABLES, target_row

_LONGEST_AUTHOR = 200
_KEYS = ("author", "description")


class Projects:
    """Edit projects, and describe experiments and runs. Calls raise NotFoundError for an id that does not exist.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def update(self, project_id: int, key: str, value: str) -> None:
        """Set the author or the description of a project; "" removes it.

        The name is the first part of every key of the project's intermediates, and cannot be changed.

        Raises
        ------
        InvalidInputError
            If it is another key, or an author of more than 200 characters.
        """
        if key not in _KEYS:
            why = "it is part of the keys of all its intermediates" if key == "name" else did_you_mean(key, _KEYS)
            raise InvalidInputError(f"{key!r} of a project cannot be changed; {why}")
        if key == "author" and len(value) > _LONGEST_AUTHOR:
            raise InvalidInputError(f"an author of {len(value)} characters; give at most {_LONGEST_AUTHOR}")
        with self._catalogue.write() as connection:
            target_row(connection, "project", project_id, DESCRIBED)
            connection.execute(sa.update(project).where(project.c.id == project_id).values({key: value or None}))

    def describe(self, entity: str, entity_id: int, description: str) -> None:
        """Set the description of a project, an experiment or a run; "" removes it.

        Raises
        ------
        InvalidInputError
            If `entity` is not ``project``, ``experiment`` or ``run``.
        """
        with self._catalogue.write() as connection:
            target_row(connection, entity, entity_id, DESCRIBED)
            table = TABLES[entity]
            connection.execute(sa.update(table).where(table.c.id == entity_id).values(description=description or None))
