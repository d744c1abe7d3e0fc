"""The class of a run's main model: what predicts, before scalers, and never plain state."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import fit_facts, transformer
from mistique_core.catalogue.tables import experiment_run
from mistique_core.model.fit_facts import ProblemType

PLAIN_STATE = ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "NoneType", "set", "str", "tuple")
"""Types of what a stage learned that are no models: the categories of a one-hot encoding, the rows of a split."""


def predicts(facts: sa.FromClause = fit_facts) -> sa.ColumnElement[bool]:
    """Return whether a row of ``transformer``, outer joined with ``fit_facts``, is known to solve a problem."""
    known: sa.ColumnElement[bool] = sa.func.coalesce(facts.c.problem_type, ProblemType.UNDEFINED.value)
    return known != ProblemType.UNDEFINED.value


def main_type() -> sa.ScalarSelect[Any]:
    """Return the class name of the main model of a row of ``experiment_run``: the last one that predicts, if any."""
    made = transformer.alias("made")
    facts = fit_facts.alias("facts")
    return (
        sa.select(made.c.type_name)
        .select_from(made.outerjoin(facts, facts.c.id == made.c.facts_id))
        .where(made.c.run_id == experiment_run.c.id, made.c.type_name.not_in(PLAIN_STATE))
        .order_by(sa.case((predicts(facts), 0), else_=1), made.c.id.desc())
        .limit(1)
        .correlate(experiment_run)
        .scalar_subquery()
    )
