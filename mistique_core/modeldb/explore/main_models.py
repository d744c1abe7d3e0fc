"""Which of a run's fitted objects a person calls its model: what predicts, before scalers, and never plain state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import fit_facts, transformer
from mistique_core.modeldb.entities import select_batches
from mistique_core.modeldb.explore.records import MainModel
from mistique_core.modeldb.filter.main_type import PLAIN_STATE, predicts


def main_models(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, tuple[MainModel, ...]]:
    """Return run -> its models, the main one first: those that predict, the last fitted first, then transformers."""
    query = sa.select(transformer.c.id, transformer.c.run_id, transformer.c.type_name, predicts().label("predicts"))
    query = query.select_from(transformer.outerjoin(fit_facts, fit_facts.c.id == transformer.c.facts_id))
    query = query.where(transformer.c.type_name.not_in(PLAIN_STATE)).order_by(transformer.c.id.desc())
    found: dict[int, list[MainModel]] = defaultdict(list)
    for row in select_batches(connection, query, transformer.c.run_id, run_ids):
        found[row.run_id].append(MainModel(row.id, row.type_name, bool(row.predicts)))
    return {
        run: tuple(sorted(found[run], key=lambda item: (not item.predicts, -item.id)))
        for run in run_ids
        if run in found
    }
