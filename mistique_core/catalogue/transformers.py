"""ModelDB's transformers: fitted models and transformations, whether or not the store holds them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.fit_facts import facts_id
from mistique_core.catalogue.modeldb_tables import history, transformer
from mistique_core.catalogue.tables import fitted
from mistique_core.catalogue.values import history_rows, name_ids
from mistique_core.model.event import TransformerEntity

WEIGHTS_FORMAT = "weights"
"""Format of a layer's weights, which are no transformer by themselves."""


def add_transformer(
    connection: sa.Connection,
    run_id: int,
    entity: TransformerEntity,
    *,
    stage_id: int | None = None,
    output: str = "",
    fitted_id: int | None = None,
) -> int:
    """Insert a transformer with what is known about it; return its id, which `entity` gets too."""
    facts = entity.facts
    inserted = connection.execute(
        sa.insert(transformer).values(
            run_id=run_id,
            stage_id=stage_id,
            output=output,
            type_name=facts.type_name,
            facts_id=facts_id(connection, facts),
            fitted_id=fitted_id,
            tag=entity.tag or None,
            filepath=entity.filepath or None,
            metadata=dict(entity.metadata) or None,
        )
    )
    assert inserted.inserted_primary_key is not None
    entity.id = int(inserted.inserted_primary_key[0])
    if stage_id is not None and facts.history:
        rows = history_rows(stage_id, facts.history, name_ids(connection, facts.history))
        if rows:
            connection.execute(sa.insert(history), rows)
    return entity.id


def take_over_transformers(connection: sa.Connection, source: int, stage_id: int, run_id: int) -> None:
    """Record what stage `source` fitted for another stage too, after its fitted objects were copied."""
    own = {
        row.output: row.id
        for row in connection.execute(sa.select(fitted.c.output, fitted.c.id).where(fitted.c.stage_id == stage_id))
    }
    for row in connection.execute(sa.select(transformer).where(transformer.c.stage_id == source)).all():
        values = {
            "run_id": run_id,
            "stage_id": stage_id,
            "output": row.output,
            "type_name": row.type_name,
            "facts_id": row.facts_id,
            "fitted_id": own.get(row.output),
            "filepath": row.filepath,
        }
        connection.execute(sa.insert(transformer).values(**values))


def transformers_of(connection: sa.Connection, fitted_ids: Collection[int]) -> dict[int, int]:
    """Return stored fitted object -> transformer."""
    query = sa.select(transformer.c.fitted_id, transformer.c.id).where(transformer.c.fitted_id.in_(sorted(fitted_ids)))
    return {row.fitted_id: row.id for row in connection.execute(query)}
