"""Which metrics and hyperparameters the newest runs have: thousands of names, of which pages show a few."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, value_name
from mistique_core.catalogue.tables import experiment_run
from mistique_core.modeldb.explore.matching import matching
from mistique_core.modeldb.explore.records import NamedValues
from mistique_core.modeldb.filter.syntax import FilterQuery

NEWEST_RUNS = 20


def named_values(
    connection: sa.Connection,
    query: str | FilterQuery = "",
    *,
    readable_dags: Collection[str] | None = None,
    newest: int = NEWEST_RUNS,
) -> NamedValues:
    """Return the names of metrics and hyperparameters of the newest runs that fit a filter.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    query
        The filter; its order and limit do not count.
    readable_dags
        DAGs whose runs may be shown; those of scripts always are. ``None`` means all.
    newest
        How many runs to look at.

    Raises
    ------
    InvalidInputError
        If the filter cannot be read.
    """
    found = matching(connection, query, readable_dags)
    order = (experiment_run.c.started_at.desc().nulls_first(), experiment_run.c.id.desc())
    runs = list(
        connection.scalars(sa.select(experiment_run.c.id).where(*found.conditions).order_by(*order).limit(newest))
    )
    names = []
    for table in (metric, hyperparameter):
        # The run that was measured last decides what comes first: what nobody measures any more goes to the end.
        numbers = (
            sa.select(table.c.name_id, sa.func.max(table.c.run_id).label("last"))
            .where(table.c.run_id.in_(runs), table.c.is_own)
            .group_by(table.c.name_id)
            .subquery()
        )
        rows = connection.execute(
            sa.select(value_name.c.name, numbers.c.last).join(numbers, numbers.c.name_id == value_name.c.id)
        )
        names.append(tuple(row.name for row in sorted(rows, key=lambda row: (-row.last, row.name))))
    return NamedValues(names[0], names[1], len(runs))
