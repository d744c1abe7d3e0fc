"""Record diagnostic queries and their answers, so that a page or a person can look at them later."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.tables import query


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
        return int(inserted.inserted_primary_key[0])
