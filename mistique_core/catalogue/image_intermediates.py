"""Intermediates whose rows are images: maps of one unit for grey, or of three for red, green and blue."""

from __future__ import annotations

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of, intermediate_by_id
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.catalogue.tables import intermediate, layout, stage
from mistique_core.frames import LogicalType

CHANNELS = (1, 3)
NAMES = ("image", "images", "input", "inputs", "picture", "pictures")
"""Of arrays that were logged by hand, those with one of these names are taken for images."""
_MAP_AXES = 2


def image_intermediate(connection: sa.Connection, version_id: int) -> IntermediateRecord | None:
    """Return the images of a model version: the input of its network, or what was logged by hand under such a name.

    Parameters
    ----------
    connection
        For looking up.
    version_id
        Id of the model version.

    Returns
    -------
    IntermediateRecord or None
        The first one, of one unit or of three, that a stage of the version takes as input; else the first one that no
        stage made and that is named as in :data:`NAMES`. All its columns are stored.
    """
    is_input = intermediate.c.id.in_(
        sa.select(stage_input.c.intermediate_id)
        .join(stage, stage.c.id == stage_input.c.stage_id)
        .where(stage.c.model_version_id == version_id, stage_input.c.intermediate_id.is_not(None))
    )
    is_named = intermediate.c.stage_id.is_(None) & intermediate.c.name.in_(NAMES)
    query = (
        sa.select(intermediate.c.id)
        .select_from(intermediate.join(layout))
        .where(
            intermediate.c.model_version_id == version_id,
            intermediate.c.unstored.is_(None),
            layout.c.n_columns.in_(CHANNELS),
            is_input | is_named,
        )
        .order_by(is_input.desc(), intermediate.c.id)
    )
    for found in connection.execute(query).scalars():
        if holds_images(connection, int(found)):
            return intermediate_by_id(connection, int(found))
    return None


def holds_images(connection: sa.Connection, intermediate_id: int) -> bool:
    """Whether the values of an intermediate are maps of one unit or of three."""
    columns = columns_of(connection, intermediate_id)
    return len(columns) in CHANNELS and all(
        column.unit is not None and len(LogicalType.from_json(column.logical_type).map_shape) == _MAP_AXES
        for column in columns
    )
