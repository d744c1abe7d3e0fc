"""Values of a few fields of every run that fits a filter, as columns: one SQL query."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.tables import experiment_run
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.explore.matching import Matching, matching
from mistique_core.modeldb.explore.records import RunValues
from mistique_core.modeldb.filter.parse import parse_field
from mistique_core.modeldb.filter.syntax import Field, FilterQuery, Order

MOST_FIELDS = 20


def run_values(
    connection: sa.Connection,
    query: str | FilterQuery,
    fields: Sequence[str],
    *,
    readable_dags: Collection[str] | None = None,
    most: int | None = None,
    run_ids: Sequence[int] | None = None,
) -> RunValues:
    """Return the values of fields of all runs that fit a filter, in the order in which they started.

    A run with several values of a metric or a hyperparameter, one a stage, gives the largest. ``type`` is the class
    of its main model.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    query
        The filter; its order and limit do not count.
    fields
        Such as ``metrics.auc``, ``params.C``, ``type`` or ``author``; at most 20.
    readable_dags
        DAGs whose runs may be shown; those of scripts always are. ``None`` means all.
    most
        Most runs to return, the newest; ``None`` for all.
    run_ids
        Of these runs only; ``None`` for all.

    Raises
    ------
    InvalidInputError
        If the filter or a field cannot be read, or there are too many fields.
    """
    if len(fields) > MOST_FIELDS:
        raise InvalidInputError(f"{len(fields)} fields are too many; ask for at most {MOST_FIELDS}")
    parsed = {text: parse_field(text) for text in dict.fromkeys(fields)}
    found = matching(connection, query, readable_dags, parsed.values())
    columns: list[sa.ColumnElement[Any]] = []
    places: dict[str, list[int]] = {}
    for text, field in parsed.items():
        made = _columns(field, found)
        places[text] = list(range(2 + len(columns), 2 + len(columns) + len(made)))
        columns += made
    labelled = [column.label(f"v{number}") for number, column in enumerate(columns)]
    order = [experiment_run.c.started_at.desc().nulls_first(), experiment_run.c.id.desc()]
    if run_ids is not None:
        found.conditions.append(experiment_run.c.id.in_(sorted(set(run_ids))))
    asked = sa.select(experiment_run.c.id, experiment_run.c.started_at, *labelled).where(*found.conditions)
    rows = connection.execute(asked.order_by(*order).limit(most)).all()[::-1]
    values = list(zip(*rows, strict=True)) if rows else [()] * (2 + len(columns))
    return RunValues(
        np.array(values[0], np.int64),
        _numbers(values[1]),
        {text: _numbers(*(values[at] for at in at_places)) for text, at_places in places.items()},
        {text: _texts(*(values[at] for at in at_places)) for text, at_places in places.items()},
    )


def _columns(field: Field, found: Matching) -> list[sa.ColumnElement[Any]]:
    if field.group == "tags":
        raise InvalidInputError(f"tags.{field.name} is no value; ask for tag")
    return found.compiled.values(Order(field, is_descending=True))


def _numbers(*columns: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return the first column's numbers; text columns hold none."""
    if not columns:
        return np.empty(0)
    return np.array([_number(value) for value in columns[0]], np.float64)


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float)
    return float(value) if is_number else math.nan


def _texts(*columns: Sequence[Any]) -> npt.NDArray[np.object_]:
    """Return the values as texts: of a number and its text, the text."""
    length = len(columns[0]) if columns else 0
    found = np.full(length, None, object)
    for column in columns:
        for at, value in enumerate(column):
            if value is not None:
                found[at] = value if isinstance(value, str) else f"{value:.12g}"
    return found
