"""Where models that are recorded already were saved."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import data_frame, transformer
from mistique_core.model.event import Entity, FrameEntity


def save_path(connection: sa.Connection, entity: Entity) -> None:
    """Save the path of a recorded entity; "" removes it."""
    table = data_frame if isinstance(entity, FrameEntity) else transformer
    connection.execute(sa.update(table).where(table.c.id == entity.id).values(filepath=entity.filepath or None))


def path_of_model(connection: sa.Connection, model_id: int) -> str | None:
    """Return where a model was saved; ``None`` if that is not known, or there is no such model."""
    return connection.scalar(sa.select(transformer.c.filepath).where(transformer.c.id == model_id))
