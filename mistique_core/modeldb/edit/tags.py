"""Tags of projects, runs and model versions."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.driver_statements import insert_ignore
from mistique_core.catalogue.modeldb_tables import tag
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.edit.targets import TAGGED, target_row

_LONGEST = 200


class Tags:
    """Tag projects, runs and model versions; filters find them by ``tags.NAME``.

    Calls raise InvalidInputError for an entity that is not ``project``, ``run`` or ``version``, and NotFoundError for
    an id that does not exist.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(self, entity: str, entity_id: int, *names: str) -> None:
        """Add tags; those that are there stay.

        Raises
        ------
        InvalidInputError
            If a tag is empty, or longer than 200 characters.
        """
        for name in names:
            if not name.strip() or len(name) > _LONGEST or "\0" in name:
                raise InvalidInputError(f"{name!r} is no tag; give a text of 1 to {_LONGEST} characters")
        with self._catalogue.write() as connection:
            target_row(connection, entity, entity_id, TAGGED)
            insert_ignore(connection, tag, [{"entity": entity, "entity_id": entity_id, "name": name} for name in names])

    def remove(self, entity: str, entity_id: int, *names: str) -> None:
        """Remove tags; those that are not there are left out."""
        with self._catalogue.write() as connection:
            target_row(connection, entity, entity_id, TAGGED)
            connection.execute(
                sa.delete(tag).where(tag.c.entity == entity, tag.c.entity_id == entity_id, tag.c.name.in_(names))
            )

    def of(self, entity: str, entity_id: int) -> tuple[str, ...]:
        """Return the tags, sorted."""
        with self._catalogue.read() as connection:
            target_row(connection, entity, entity_id, TAGGED, is_changed=False)
            query = sa.select(tag.c.name).where(tag.c.entity == entity, tag.c.entity_id == entity_id)
            return tuple(sorted(connection.scalars(query)))

    def known(self, entity: str = "run") -> dict[str, int]:
        """Return tag -> how many projects, runs or versions carry it, by name."""
        with self._catalogue.read() as connection:
            query = sa.select(tag.c.name, sa.func.count()).where(tag.c.entity == entity).group_by(tag.c.name)
            return {name: int(count) for name, count in connection.execute(query.order_by(tag.c.name))}
