"""Read recorded diagnostic questions and their answers."""

from __future__ import annotations

import zlib
from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.tables import query, query_figure
from mistique_core.modeldb.records import QueryRecord

_LOOKED_AT = 200


def query_by_id(connection: sa.Connection, query_id: int) -> QueryRecord | None:
    """Return one question; ``None`` when it is not recorded."""
    found = _records(connection, sa.select(query).where(query.c.id == query_id))
    return found[0] if found else None


def figure_of_query(connection: sa.Connection, query_id: int) -> str | None:
    """Return the figure of an answer, Plotly's JSON; ``None`` when none is recorded."""
    document = connection.scalar(sa.select(query_figure.c.document).where(query_figure.c.query_id == query_id))
    return None if document is None else zlib.decompress(document).decode()


def queries_with_figures(connection: sa.Connection, query_ids: Collection[int]) -> set[int]:
    """Return those of some questions of which a figure is recorded."""
    statement = sa.select(query_figure.c.query_id).where(query_figure.c.query_id.in_(sorted(query_ids)))
    return set(connection.scalars(statement))


def find_query(connection: sa.Connection, dag_id: str, run_id: str) -> QueryRecord | None:
    """Return the last question that a DAG run asked; ``None`` when it asked none."""
    found = queries_of_run(connection, dag_id, run_id)
    return found[-1] if found else None


def queries_of_run(connection: sa.Connection, dag_id: str, run_id: str) -> list[QueryRecord]:
    """Return the questions that a DAG run asked, in order; a retried task asks again."""
    statement = sa.select(query).where(query.c.dag_id == dag_id, query.c.run_id == run_id).order_by(query.c.id)
    return _records(connection, statement)


def list_queries(
    connection: sa.Connection, *, readable_dags: Collection[str] | None = None, limit: int = 10
) -> list[QueryRecord]:
    """Return the newest questions.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    readable_dags
        DAGs whose questions may be shown; those that no DAG asked always are. ``None`` means all.
    limit
        Most to return.
    """
    statement = sa.select(query).order_by(query.c.id.desc()).limit(limit)
    if readable_dags is not None:
        statement = statement.where(sa.or_(query.c.dag_id.is_(None), query.c.dag_id.in_(sorted(readable_dags))))
    return _records(connection, statement)


def last_report(
    connection: sa.Connection, technique: str, title: str, *, readable_dags: Collection[str] | None = None
) -> QueryRecord | None:
    """Return the newest report of a step, such as ``maintenance`` and ``Check``; ``None`` where none is recorded.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    technique
        What it is recorded as.
    title
        Its title.
    readable_dags
        As of :func:`list_queries`.
    """
    statement = sa.select(query).where(query.c.technique == technique).order_by(query.c.id.desc()).limit(_LOOKED_AT)
    if readable_dags is not None:
        statement = statement.where(sa.or_(query.c.dag_id.is_(None), query.c.dag_id.in_(sorted(readable_dags))))
    records = _records(connection, statement)
    return next((item for item in records if item.answer and item.answer.get("title") == title), None)


def _records(connection: sa.Connection, statement: sa.Select[tuple[object, ...]]) -> list[QueryRecord]:
    return [QueryRecord(**row._mapping) for row in connection.execute(statement)]
