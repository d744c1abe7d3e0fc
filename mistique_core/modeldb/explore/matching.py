"""The runs that fit a filter, as a condition on ``experiment_run`` that other questions build on."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.modeldb.filter.compile import RunFilter
from mistique_core.modeldb.filter.parse import parse_filter
from mistique_core.modeldb.filter.syntax import Field, FilterQuery
from mistique_core.modeldb.search import name_numbers
from mistique_core.modeldb.visibility import readable


@dataclass(frozen=True)
class Matching:
    """A compiled filter.

    Attributes
    ----------
    conditions
        All of them hold for a run that fits.
    compiled
        Compiles further fields.
    numbers
        Name of a metric or hyperparameter -> its number.
    """

    conditions: list[sa.ColumnElement[bool]]
    compiled: RunFilter
    numbers: dict[str, int]


def matching(
    connection: sa.Connection,
    query: str | FilterQuery,
    readable_dags: Collection[str] | None,
    fields: Iterable[Field] = (),
) -> Matching:
    """Compile the condition of a filter; its order and limit do not count.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    query
        The filter.
    readable_dags
        DAGs whose runs may be shown; ``None`` for all.
    fields
        Further fields that will be asked for.

    Raises
    ------
    InvalidInputError
        If the filter cannot be read.
    """
    asked = parse_filter(query) if isinstance(query, str) else query
    numbers, _ = name_numbers(connection, [*asked.fields(), *fields])
    compiled = RunFilter(numbers, time.time(), connection.dialect.name)
    conditions = readable(readable_dags)
    if asked.where is not None:
        conditions.append(compiled.condition(asked.where))
    return Matching(conditions, compiled, numbers)
