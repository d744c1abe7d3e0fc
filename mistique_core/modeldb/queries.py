"""Record diagnostic queries and their answers, so that a page or a person can look at them later."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.tables import query, query_figure


def record_query(
    catalogue: Catalogue,
    *,
    technique: str,
    request: Mapping[str, Any],
    dag_id: str | None = None,
    run_id: str | None = None,
    plan: str | None = None,
    strategy: str | None = None,
    answer: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    error: str | None = None,
    figure: str | None = None,
) -> int:
    """Insert a query; return its id.

    Parameters
    ----------
    catalogue
        Where to record it.
    technique, request
        What was asked, as JSON values.
    dag_id, run_id
        The DAG run that asked, if any.
    plan, strategy
        The explained plan, and ``read``, ``rerun`` or ``mixed``.
    answer
        ``{"sentence", "columns", "rows", "row_count", "truncated"}``.
    seconds
        Wall time.
    error
        Why it failed, in one line.
    figure
        The answer as a figure: Plotly's JSON (:func:`mistique_core.diagnostics.figure_document`).
    """
    with catalogue.write() as connection:
        inserted = connection.execute(
            sa.insert(query).values(
                created_at=time.time(),
                dag_id=dag_id,
                run_id=run_id,
                technique=technique,
                request=dict(request),
                plan=plan,
                strategy=strategy,
                answer=None if answer is None else dict(answer),
                seconds=seconds,
                error=error,
            )
        )
        assert inserted.inserted_primary_key is not None
        query_id = int(inserted.inserted_primary_key[0])
        if figure is not None:
            document = zlib.compress(figure.encode())
            connection.execute(sa.insert(query_figure).values(query_id=query_id, document=document))
        return query_id
