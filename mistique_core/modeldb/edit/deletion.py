"""Delete runs with everything that they recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import RUNNING
from mistique_core.catalogue.fit_facts import forget_unused_facts
from mistique_core.catalogue.modeldb_tables import (
    annotation,
    annotation_fragment,
    data_frame,
    hyperparameter,
    metric,
    stage_input,
    tag,
    transformer,
)
from mistique_core.catalogue.tables import experiment_run, model, model_version, project
from mistique_core.errors import RunInProgressError
from mistique_core.maintenance.batches import clear_in, delete_in
from mistique_core.maintenance.delete import DeleteReport, delete
from mistique_core.modeldb.entities import not_found


@dataclass(frozen=True)
class RunDeletion:
    """What was deleted, or would be.

    Attributes
    ----------
    runs
        The runs.
    versions
        ``project.model@version`` of the model versions that they made.
    freed_bytes
        Bytes of chunks that nothing refers to any more; ``gc`` gives them back to the disk.
    dry_run
        Whether nothing was changed.
    """

    runs: tuple[int, ...]
    versions: tuple[str, ...]
    freed_bytes: int
    dry_run: bool


class DeleteVersion(Protocol):
    """Deletes what one model version recorded: :meth:`mistique_core.store.Mistique.delete`, or that of a catalogue."""

    def __call__(self, project: str, model: str, *, version: int, force: bool, dry_run: bool) -> DeleteReport:
        """Return what was deleted."""


def delete_runs(
    catalogue: Catalogue,
    run_ids: Sequence[int],
    *,
    force: bool = False,
    dry_run: bool = False,
    delete_version: DeleteVersion | None = None,
) -> RunDeletion:
    """Delete runs, the model versions that they made, and what is annotated and tagged of them.

    A run is gone when all of it is: if another run needs something of a later one, the earlier ones are deleted.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    run_ids
        The runs.
    force
        Delete although a run has not ended, or other runs took something of it
        (:func:`mistique_core.maintenance.delete.delete`).
    dry_run
        Change nothing.
    delete_version
        How a model version is deleted: that of a store also forgets the runs that the store has open. By default rows
        of the catalogue only.

    Raises
    ------
    NotFoundError
        If a run does not exist; nothing is deleted.
    RunInProgressError
        If a run has not ended, without `force`; nothing is deleted.
    InvalidInputError
        If other runs took something of a run, without `force`.
    """
    runs = list(dict.fromkeys(run_ids))
    with catalogue.read() as connection:
        for run_id in runs:
            state = connection.scalar(sa.select(experiment_run.c.state).where(experiment_run.c.id == run_id))
            if state is None:
                raise not_found("run", run_id)
            if state == RUNNING and not force:
                raise RunInProgressError(f"run {run_id} has not ended; wait for its end, or delete it with force=True")
    labels: list[str] = []
    freed = 0
    for run_id in sorted(runs, reverse=True):  # what took something before what it was taken from
        with catalogue.read() as connection:
            query = (
                sa.select(project.c.name.label("project"), model.c.name.label("model"), model_version.c.number)
                .select_from(model_version.join(model).join(project))
                .where(model_version.c.run_id == run_id)
                .order_by(model_version.c.id)
            )
            versions = connection.execute(query).all()
        for version in versions:
            report = (delete_version or partial(_delete_version, catalogue))(
                version.project, version.model, version=version.number, force=force, dry_run=dry_run
            )
            labels.append(f"{version.project}.{version.model}@{version.number}")
            freed += report.freed_bytes
        if not dry_run:
            with catalogue.write() as connection:
                _delete_rows(connection, run_id)
    return RunDeletion(tuple(runs), tuple(labels), freed, dry_run)


def _delete_version(
    catalogue: Catalogue, project: str, model: str, *, version: int, force: bool, dry_run: bool
) -> DeleteReport:
    return delete(catalogue, project, model, version=version, force=force, dry_run=dry_run)


def _delete_rows(connection: sa.Connection, run_id: int) -> None:
    """Delete what is left of a run without its model versions, in the order that the foreign keys ask for."""
    annotations = sa.select(annotation.c.id).where(annotation.c.run_id == run_id)
    connection.execute(sa.delete(annotation_fragment).where(annotation_fragment.c.annotation_id.in_(annotations)))
    connection.execute(sa.delete(annotation).where(annotation.c.run_id == run_id))
    for table in (metric, hyperparameter):
        connection.execute(sa.delete(table).where(table.c.run_id == run_id))
    frames = list(connection.scalars(sa.select(data_frame.c.id).where(data_frame.c.run_id == run_id)))
    for column in (stage_input.c.data_frame_id, metric.c.data_frame_id, annotation_fragment.c.data_frame_id):
        clear_in(connection, column, frames)
    delete_in(connection, data_frame.c.id, frames)
    models = connection.execute(
        sa.select(transformer.c.id, transformer.c.facts_id).where(transformer.c.run_id == run_id)
    ).all()
    ids = [row.id for row in models]
    for column in (stage_input.c.transformer_id, metric.c.transformer_id, annotation_fragment.c.transformer_id):
        clear_in(connection, column, ids)
    delete_in(connection, transformer.c.id, ids)
    forget_unused_facts(connection, {row.facts_id for row in models if row.facts_id is not None})
    connection.execute(sa.delete(tag).where(tag.c.entity == "run", tag.c.entity_id == run_id))
    connection.execute(sa.delete(experiment_run).where(experiment_run.c.id == run_id))
