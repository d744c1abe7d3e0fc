"""Which of a run's fitted objects a person calls its model: what predicts, before scalers, and never plain state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import fit_facts, transformer
from mistique_core.catalogue.tables import experiment_run
from mistique_core.model.fit_facts import ProblemType
from mistique_core.modeldb.entities import select_batches
from mistique_core.modeldb.explore.records import MainModel

PLAIN_STATE = ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "NoneType", "set", "str", "tuple")
"""Types of what a stage learned that are no models: the categories of a one-hot encoding, the rows of a split."""


def predicts() -> sa.ColumnElement[bool]:
    """Return whether a row of ``transformer``, outer joined with ``fit_facts``, is known to solve a problem."""
    known: sa.ColumnElement[bool] = sa.func.coalesce(fit_facts.c.problem_type, ProblemType.UNDEFINED.value)
    return known != ProblemType.UNDEFINED.value


def main_type() -> sa.ScalarSelect[Any]:
    """Return the class name of the main model of a row of ``experiment_run``: the last one that predicts, if any."""
    made = transformer.alias("made")
    facts = fit_facts.alias("facts")
    does = sa.func.coalesce(facts.c.problem_type, ProblemType.UNDEFINED.value) != ProblemType.UNDEFINED.value
    return (
        sa.select(made.c.type_name)
        .select_from(made.outerjoin(facts, facts.c.id == made.c.facts_id))
        .where(made.c.run_id == experiment_run.c.id, made.c.type_name.not_in(PLAIN_STATE))
        .order_by(sa.case((does, 0), else_=1), made.c.id.desc())
        .limit(1)
        .correlate(experiment_run)
        .scalar_subquery()
    )


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
