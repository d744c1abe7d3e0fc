"""Read annotations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import annotation, annotation_fragment
from mistique_core.modeldb.edit.annotation_records import AnnotationRecord, Fragment

ABOUT = {
    "data frame": annotation_fragment.c.data_frame_id,
    "model": annotation_fragment.c.transformer_id,
    "specification": annotation_fragment.c.stage_id,
}
"""What a fragment can refer to -> its column."""


def annotations_of_runs(connection: sa.Connection, run_ids: Collection[int]) -> tuple[AnnotationRecord, ...]:
    """Return the annotations of some runs, the oldest first."""
    return _read(connection, annotation.c.run_id.in_(run_ids))


def annotations_about(connection: sa.Connection, what: str, row: int) -> tuple[AnnotationRecord, ...]:
    """Return the annotations that refer to a data frame, a model or a specification, the oldest first."""
    about = sa.select(annotation_fragment.c.annotation_id).where(ABOUT[what] == row)
    return _read(connection, annotation.c.id.in_(about))


def one_annotation(connection: sa.Connection, annotation_id: int) -> AnnotationRecord | None:
    """Return an annotation; ``None`` if it does not exist."""
    return next(iter(_read(connection, annotation.c.id == annotation_id)), None)


def _read(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> tuple[AnnotationRecord, ...]:
    rows = connection.execute(sa.select(annotation).where(condition).order_by(annotation.c.posted_at, annotation.c.id))
    query = (
        sa.select(annotation_fragment)
        .join(annotation, annotation.c.id == annotation_fragment.c.annotation_id)
        .where(condition)
        .order_by(annotation_fragment.c.annotation_id, annotation_fragment.c.position)
    )
    heads = rows.all()
    fragments: dict[int, list[Fragment]] = defaultdict(list)
    for row in connection.execute(query):
        parts = (row.message, row.data_frame_id, row.transformer_id, row.stage_id)
        fragments[row.annotation_id].append(Fragment(*parts, is_gone=all(part is None for part in parts)))
    return tuple(
        AnnotationRecord(row.id, row.run_id, row.posted_at, row.author, tuple(fragments[row.id])) for row in heads
    )
