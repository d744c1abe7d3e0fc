"""Tags of data frames and models that are recorded already."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import data_frame, transformer
from mistique_core.model.event import Entity, FrameEntity


def save_tag(connection: sa.Connection, entity: Entity) -> None:
    """Save the tag of a recorded entity; "" removes it."""
    table = data_frame if isinstance(entity, FrameEntity) else transformer
    connection.execute(sa.update(table).where(table.c.id == entity.id).values(tag=entity.tag or None))
