"""Annotations: what people write about runs, models, specifications and data frames."""

from __future__ import annotations

import time

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.modeldb_tables import annotation, annotation_fragment
from mistique_core.catalogue.tables import model_version, stage
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.modeldb.edit.annotation_records import AnnotationRecord, Fragment
from mistique_core.modeldb.edit.annotation_rows import annotations_about, annotations_of_runs, one_annotation
from mistique_core.modeldb.entities import check_run, not_found, one_frame, one_model


class Annotations:
    """Write and read annotations.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(self, run_id: int, *fragments: str | Fragment, author: str | None = None) -> AnnotationRecord:
        """Annotate a run; return the annotation.

        Parameters
        ----------
        run_id
            The run.
        *fragments
            Messages, and references to data frames, models and specifications of that run, in order.
        author
            Who writes.

        Raises
        ------
        NotFoundError
            If the run, or what is referred to, does not exist.
        InvalidInputError
            If there is no fragment, a fragment is not one thing, or it refers to something of another run.
        """
        parts = [Fragment(message=part) if isinstance(part, str) else part for part in fragments]
        if not parts:
            raise InvalidInputError("an annotation needs a message or a reference")
        with self._catalogue.write() as connection:
            check_run(connection, run_id)
            for part in parts:
                _check(connection, run_id, part)
            inserted = connection.execute(
                sa.insert(annotation).values(run_id=run_id, posted_at=time.time(), author=author)
            )
            assert inserted.inserted_primary_key is not None
            annotation_id = int(inserted.inserted_primary_key[0])
            rows = [
                {
                    "annotation_id": annotation_id,
                    "position": position,
                    "message": part.message,
                    "data_frame_id": part.frame_id,
                    "transformer_id": part.model_id,
                    "stage_id": part.spec_id,
                }
                for position, part in enumerate(parts)
            ]
            connection.execute(sa.insert(annotation_fragment), rows)
            written = one_annotation(connection, annotation_id)
        assert written is not None
        return written

    def of_run(self, run_id: int) -> tuple[AnnotationRecord, ...]:
        """Return the annotations of a run, the oldest first; NotFoundError if it does not exist."""
        with self._catalogue.read() as connection:
            check_run(connection, run_id)
            return annotations_of_runs(connection, [run_id])

    def of_model(self, model_id: int) -> tuple[AnnotationRecord, ...]:
        """Return the annotations that refer to a model, the oldest first; NotFoundError if it does not exist."""
        with self._catalogue.read() as connection:
            one_model(connection, model_id)
            return annotations_about(connection, "model", model_id)

    def of_frame(self, frame_id: int) -> tuple[AnnotationRecord, ...]:
        """Return the annotations that refer to a data frame, the oldest first; NotFoundError if it does not exist."""
        with self._catalogue.read() as connection:
            one_frame(connection, frame_id)
            return annotations_about(connection, "data frame", frame_id)

    def of_spec(self, spec_id: int) -> tuple[AnnotationRecord, ...]:
        """Return the annotations that refer to a specification, the oldest first; NotFoundError if there is none."""
        with self._catalogue.read() as connection:
            _run_of_spec(connection, spec_id)
            return annotations_about(connection, "specification", spec_id)

    def delete(self, annotation_id: int) -> None:
        """Delete an annotation; NotFoundError if it does not exist."""
        with self._catalogue.write() as connection:
            connection.execute(
                sa.delete(annotation_fragment).where(annotation_fragment.c.annotation_id == annotation_id)
            )
            if not connection.execute(sa.delete(annotation).where(annotation.c.id == annotation_id)).rowcount:
                raise NotFoundError(f"annotation {annotation_id} does not exist; annotations.of_run() lists them")


def _check(connection: sa.Connection, run_id: int, part: Fragment) -> None:
    given = [what for what in (part.message, part.frame_id, part.model_id, part.spec_id) if what is not None]
    if len(given) != 1 or part.is_gone or not str(given[0]).strip():
        raise InvalidInputError(
            f"{part} is not one thing; give a message, a data frame, a model or a specification, and one of them"
        )
    if part.message is not None:
        return
    if part.frame_id is not None:
        owner = one_frame(connection, part.frame_id).run_id
    elif part.model_id is not None:
        owner = one_model(connection, part.model_id).run_id
    else:
        assert part.spec_id is not None
        owner = _run_of_spec(connection, part.spec_id)
    if owner != run_id:
        raise InvalidInputError(f"{part} is of run {owner}, not of run {run_id}; annotate that run")


def _run_of_spec(connection: sa.Connection, spec_id: int) -> int:
    query = (
        sa.select(model_version.c.run_id)
        .join(stage, stage.c.model_version_id == model_version.c.id)
        .where(stage.c.id == spec_id)
    )
    found = connection.scalar(query)
    if found is None:
        raise not_found("specification", spec_id)
    return int(found)
