"""Find runs by a filter: a page of them, in any order, without reading what was not asked for."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import metric, value_name
from mistique_core.catalogue.tables import experiment_run
from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.modeldb.filter.compile import RunFilter
from mistique_core.modeldb.filter.parse import parse_field, parse_filter
from mistique_core.modeldb.filter.syntax import Field, FilterQuery, Order
from mistique_core.modeldb.filter.write import write_field, write_filter
from mistique_core.modeldb.found_runs import found_runs
from mistique_core.modeldb.search_records import SearchPage
from mistique_core.modeldb.visibility import readable

MAX_LIMIT = 1000
_NAMED = ("metrics", "params")
_BEST = metric.alias("best")
_OWN_BY_INDEX: sa.ColumnElement[Any] = sa.literal_column("best.is_own")
"""So written that SQLite takes the partial index of values. Elsewhere it is ``is_own = 1`` there, so that the values of
a run are looked up by run and name."""


def search_runs(
    connection: sa.Connection,
    query: str | FilterQuery = "",
    *,
    readable_dags: Collection[str] | None = None,
    columns: Sequence[str] | None = None,
    limit: int = 50,
    offset: int = 0,
    now: float | None = None,
) -> SearchPage:
    """Return a page of the runs that fit a filter.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    query
        The filter, such as ``metrics.auc > 0.9 and not tags.draft order by metrics.auc desc`` (``docs/modeldb.md``).
        Without an order the newest come first.
    readable_dags
        DAGs whose runs may be shown; runs of scripts always are. ``None`` means all.
    columns
        Metrics and hyperparameters to return, such as ``metrics.auc``; by default those that the filter names.
    limit, offset
        Runs in the page, 1 to 1,000, and runs before it.
    now
        Unix seconds that ``now`` stands for; by default the present.

    Raises
    ------
    InvalidInputError
        If the filter cannot be read, or the page is not one.
    """
    if not 1 <= limit <= MAX_LIMIT or offset < 0:
        raise InvalidInputError(f"limit {limit}, offset {offset}: ask for 1 to {MAX_LIMIT} runs, from offset 0 on")
    asked = parse_filter(query) if isinstance(query, str) else query
    shown = asked.fields() if columns is None else tuple(parse_field(column) for column in columns)
    numbers, hints = name_numbers(connection, [*asked.fields(), *shown])
    compiled = RunFilter(numbers, time.time() if now is None else now, connection.dialect.name)
    conditions = readable(readable_dags)
    if asked.where is not None:
        conditions.append(compiled.condition(asked.where))
    counted = sa.select(sa.func.count()).select_from(experiment_run).where(*conditions)
    total = int(connection.execute(counted).scalar_one())
    if asked.limit is not None:
        total = min(total, asked.limit)
    wanted = max(0, min(limit, total - offset))
    ids = _ordered(connection, compiled, numbers, asked.order, conditions, wanted, offset) if wanted else []
    names = {group: {field.name for field in shown if field.group == group} for group in _NAMED}
    runs = found_runs(connection, ids, metrics=names["metrics"], hyperparameters=names["params"])
    return SearchPage(runs, total, limit, offset, write_filter(asked), hints)


def name_numbers(connection: sa.Connection, fields: Iterable[Field]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the numbers of the named metrics and hyperparameters, and hints about those that no run has."""
    asked = {field.name: field for field in fields if field.group in _NAMED}
    if not asked:
        return {}, ()
    query = sa.select(value_name.c.name, value_name.c.id).where(value_name.c.name.in_(sorted(asked)))
    numbers = {row.name: int(row.id) for row in connection.execute(query)}
    unknown = [field for name, field in asked.items() if name not in numbers]
    if not unknown:
        return numbers, ()
    known = list(connection.scalars(sa.select(value_name.c.name).order_by(value_name.c.id).limit(5000)))
    hints = (f"no run has {write_field(field)}; {did_you_mean(field.name, known)}" for field in unknown)
    return numbers, tuple(hints)


def _ordered(
    connection: sa.Connection,
    compiled: RunFilter,
    numbers: dict[str, int],
    order: Sequence[Order],
    conditions: list[sa.ColumnElement[bool]],
    limit: int,
    offset: int,
) -> list[int]:
    """Return the ids of one page."""
    first = order[0] if order else None
    if first is None or first.field.group != "metrics" or first.field.name not in numbers:
        newest: list[sa.ColumnElement[Any]] = [experiment_run.c.started_at.desc().nulls_first()] if not order else []
        keys = [column for key in order for column in compiled.order(key)]
        keys += [*newest, _last_key(order)]
        query = sa.select(experiment_run.c.id).where(*conditions).order_by(*keys).limit(limit).offset(offset)
        return list(connection.scalars(query))
    ids = _by_metric(connection, compiled, numbers[first.field.name], order, conditions, limit, offset)
    if len(ids) == limit:
        return ids
    return ids + _without_metric(
        connection, compiled, numbers[first.field.name], order, conditions, limit - len(ids), offset, len(ids)
    )


def _last_key(order: Sequence[Order]) -> sa.ColumnElement[Any]:
    """Return what decides between equals: newest first, unless the order ascends."""
    is_descending = not order or order[-1].is_descending
    return experiment_run.c.id.desc() if is_descending else experiment_run.c.id.asc()


def _by_metric(
    connection: sa.Connection,
    compiled: RunFilter,
    number: int,
    order: Sequence[Order],
    conditions: list[sa.ColumnElement[bool]],
    limit: int,
    offset: int,
) -> list[int]:
    """Walk the index of one metric from its best value on, until the page is full."""
    best, other = _BEST, metric.alias("other")
    is_descending = order[0].is_descending
    is_better = other.c.value > best.c.value if is_descending else other.c.value < best.c.value
    is_same = sa.and_(other.c.value == best.c.value, other.c.stage_id < best.c.stage_id)
    beaten = sa.exists().where(
        other.c.run_id == best.c.run_id, other.c.name_id == number, other.c.is_own, sa.or_(is_better, is_same)
    )
    keys: list[sa.ColumnElement[Any]] = [best.c.value.desc() if is_descending else best.c.value.asc()]
    keys += [column for key in order[1:] for column in compiled.order(key)]
    last = best.c.run_id.desc() if order[-1].is_descending else best.c.run_id.asc()
    query = (
        sa.select(best.c.run_id)
        .select_from(best.join(experiment_run, experiment_run.c.id == best.c.run_id))
        .where(best.c.name_id == number, _OWN_BY_INDEX, *conditions, sa.not_(beaten))
        .order_by(*keys, last)
        .limit(limit)
        .offset(offset)
    )
    return list(connection.scalars(query))


def _without_metric(
    connection: sa.Connection,
    compiled: RunFilter,
    number: int,
    order: Sequence[Order],
    conditions: list[sa.ColumnElement[bool]],
    limit: int,
    offset: int,
    found: int,
) -> list[int]:
    """Return the ids that follow on those that have the metric."""
    row = metric.alias()
    has = sa.exists().where(row.c.run_id == experiment_run.c.id, row.c.name_id == number, row.c.is_own)
    before = 0
    if not found and offset:
        counted = sa.select(sa.func.count()).select_from(experiment_run).where(*conditions, has)
        before = offset - int(connection.execute(counted).scalar_one())
    keys = [column for key in order[1:] for column in compiled.order(key)]
    query = sa.select(experiment_run.c.id).where(*conditions, sa.not_(has)).order_by(*keys, _last_key(order))
    return list(connection.scalars(query.limit(limit).offset(before)))
