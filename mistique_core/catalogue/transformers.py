"""ModelDB's transformers: fitted models and transformations, whether or not the store holds them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.driver_statements import find_ids, insert_returning_ids
from mistique_core.catalogue.fit_facts import facts_ids
from mistique_core.catalogue.modeldb_tables import history, transformer
from mistique_core.catalogue.tables import fitted
from mistique_core.catalogue.values import history_rows, name_ids
from mistique_core.model.event import TransformerEntity

WEIGHTS_FORMAT = "weights"
"""Format of a layer's weights, which are no transformer by themselves."""


@dataclass(frozen=True)
class MadeTransformer:
    """A transformer to be inserted, the stage that fitted it, the name of its output, and its stored object."""

    entity: TransformerEntity
    stage_id: int | None = None
    output: str = ""
    fitted_id: int | None = None


def add_transformers(connection: sa.Connection, run_id: int, made: Sequence[MadeTransformer]) -> None:
    """Insert transformers with what is known about them; the entities get their ids."""
    if not made:
        return
    facts = facts_ids(connection, [item.entity.facts for item in made])
    rows = [
        {
            "run_id": run_id,
            "stage_id": item.stage_id,
            "output": item.output,
            "type_name": item.entity.facts.type_name,
            "facts_id": known,
            "fitted_id": item.fitted_id,
            "tag": item.entity.tag or None,
            "filepath": item.entity.filepath or None,
            "metadata": dict(item.entity.metadata) or None,
        }
        for item, known in zip(made, facts, strict=True)
    ]
    for item, row in zip(made, insert_returning_ids(connection, transformer, rows), strict=True):
        item.entity.id = row
        curves = item.entity.facts.history
        if item.stage_id is not None and curves:
            values = history_rows(item.stage_id, curves, name_ids(connection, curves))
            if values:
                connection.execute(sa.insert(history), values)


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
    return find_ids(connection, transformer, "fitted_id", sorted(fitted_ids))
