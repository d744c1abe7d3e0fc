"""Deleting what a project, a model, a version or an intermediate recorded: rows only; bytes go with ``gc``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.captures import captures_of, end_captures
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.fit_facts import forget_unused_facts
from mistique_core.catalogue.modeldb_tables import (
    annotation_fragment,
    data_frame,
    history,
    hyperparameter,
    life_change,
    metric,
    stage_input,
    tag,
    transformer,
)
from mistique_core.catalogue.open_writes import hold_exclusively
from mistique_core.catalogue.tables import (
    experiment,
    fitted,
    intermediate,
    intermediate_use,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.errors import InvalidInputError
from mistique_core.maintenance.batches import batches, clear_in, delete_in, select_in
from mistique_core.maintenance.garbage import find_garbage
from mistique_core.maintenance.references import (
    load_fitted_chunks,
    load_intermediates,
    load_references,
    referred_versions,
)
from mistique_core.maintenance.scratch_index import scratch_indexes
from mistique_core.maintenance.selection import Selected, select_rows

_SHOWN = 5
_UNINDEXED = (stage.c.reused_from, stage_input.c.fitted_id, metric.c.data_frame_id, metric.c.transformer_id)


@dataclass(frozen=True)
class DeleteReport:
    """What was deleted, or would be.

    Attributes
    ----------
    what
        What was named.
    models, versions, stages, intermediates, fitted
        Numbers of rows of each kind.
    freed_bytes
        Encoded bytes of the chunks that nothing refers to any more because of this deletion; ``gc``
        and ``compact`` give them back to the disk.
    dependents
        Stages that stay but have lost an input, so that they cannot be re-run.
    dry_run
        Whether nothing was changed.
    """

    what: str
    models: int
    versions: int
    stages: int
    intermediates: int
    fitted: int
    freed_bytes: int
    dependents: tuple[str, ...]
    dry_run: bool


def delete(
    catalogue: Catalogue,
    project_name: str,
    model_name: str | None = None,
    *,
    version: int | None = None,
    intermediate_name: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> DeleteReport:
    """Delete the rows of a project, a model, one of its versions, or intermediates of one name.

    Parameters
    ----------
    catalogue
        Where they are.
    project_name, model_name, version, intermediate_name
        What to delete: what is left out is not restricted.
    force
        Delete although a run is in progress, a stage of another model version has taken something of it as
        input (the stage keeps its outputs, but can no longer be re-run), or intermediates that are not kept could no
        longer be re-run, which loses them.
    dry_run
        Change nothing.

    Raises
    ------
    NotFoundError
        If there is no such thing.
    InvalidInputError
        If it needs `force`; the message names the runs or the stages.
    """
    with catalogue.read() if dry_run else catalogue.write() as connection:
        if not dry_run:
            hold_exclusively(connection)
        selected = select_rows(connection, project_name, model_name, version, intermediate_name)
        _check_runs(selected, force)
        dependents = _dependents(connection, selected)
        _check_dependents(selected, [item for item in dependents if item.is_elsewhere], force)
        _check_lost(selected, _lost(connection, selected), force)
        report = DeleteReport(
            selected.label,
            len(selected.models),
            len(selected.versions),
            len(selected.stages),
            len(selected.intermediates),
            len(selected.fitted),
            _freed_bytes(connection, selected),
            tuple(item.label for item in dependents),
            dry_run,
        )
        if not dry_run:
            with scratch_indexes(connection, *_UNINDEXED):
                _delete_rows(connection, selected)
    return report


def _check_runs(selected: Selected, force: bool) -> None:
    if selected.running and not force:
        raise InvalidInputError(
            f"{_listed(selected.running)} is still running; wait for its end, or delete it with force=True (--force)"
        )


@dataclass(frozen=True)
class _Dependent:
    """A stage that is not deleted and has an input that is."""

    label: str
    is_elsewhere: bool


def _dependents(connection: sa.Connection, selected: Selected) -> list[_Dependent]:
    query = sa.select(
        stage.c.id,
        stage.c.name,
        stage.c.model_version_id,
        model_version.c.number,
        model.c.name.label("model"),
        project.c.name.label("project"),
    ).select_from(
        stage_input.join(stage, stage.c.id == stage_input.c.stage_id)
        .join(model_version, model_version.c.id == stage.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
    )
    found: dict[int, _Dependent] = {}
    for column, items in (
        (stage_input.c.intermediate_id, selected.intermediates),
        (stage_input.c.fitted_id, selected.fitted),
    ):
        for row in select_in(connection, query, column, items):
            if row.id not in selected.stages:
                label = f"{row.project}.{row.model}@{row.number}.{row.name}"
                found[row.id] = _Dependent(label, row.model_version_id not in selected.touched_versions)
    return [found[stage_id] for stage_id in sorted(found)]


def _check_dependents(selected: Selected, dependents: list[_Dependent], force: bool) -> None:
    if dependents and not force:
        raise InvalidInputError(
            f"{selected.label} is an input of {_listed(item.label for item in dependents)}, which could then no longer "
            "be re-run; delete that first, or use force=True (--force)"
        )


def _lost(connection: sa.Connection, selected: Selected) -> list[str]:
    """Return the intermediates that are not kept, stay, and could no longer be re-run from what stays."""
    outputs: dict[int, list[tuple[int, bool, str]]] = defaultdict(list)
    rows = sa.select(intermediate.c.id, intermediate.c.stage_id, intermediate.c.unstored, intermediate.c.name)
    for row in connection.execute(rows.where(intermediate.c.stage_id.is_not(None))):
        outputs[int(row.stage_id)].append((int(row.id), row.unstored is not None, str(row.name)))
    if not any(is_gone for items in outputs.values() for _, is_gone, _ in items):
        return []
    users: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in connection.execute(sa.select(stage_input)):
        if row.intermediate_id is not None:
            users["intermediate", int(row.intermediate_id)].append(int(row.stage_id))
        if row.fitted_id is not None:
            users["fitted", int(row.fitted_id)].append(int(row.stage_id))
    waiting = [("intermediate", item) for item in selected.intermediates]
    waiting += [("fitted", item) for item in selected.fitted]
    seen, lost = set(waiting), []
    while waiting:
        for stage_id in users[waiting.pop()]:
            for item, is_gone, name in outputs[stage_id]:
                # One that is kept is read; what is made from it goes on.
                if is_gone and item not in selected.intermediates and ("intermediate", item) not in seen:
                    seen.add(("intermediate", item))
                    waiting.append(("intermediate", item))
                    lost.append(name)
    return lost


def _check_lost(selected: Selected, lost: list[str], force: bool) -> None:
    if lost and not force:
        raise InvalidInputError(
            f"{selected.label} is needed to re-run {_listed(lost)}, which is not kept and would be lost; delete that "
            "first, or use force=True (--force)"
        )


def _freed_bytes(connection: sa.Connection, selected: Selected) -> int:
    """Return the bytes of the chunks that are garbage afterwards and are not before."""
    before = load_references(connection)
    kept = [item for item in load_intermediates(connection) if item.id not in selected.intermediates]
    ids, chunks = load_fitted_chunks(connection)
    gone = np.array(sorted(selected.fitted), np.int64)
    after = replace(before, roots=referred_versions(kept), fitted=chunks[~np.isin(ids, gone)])
    return find_garbage(after).chunk_bytes - find_garbage(before).chunk_bytes


def _delete_rows(connection: sa.Connection, selected: Selected) -> None:
    """Delete in the order that the foreign keys ask for."""
    clear_in(connection, stage_input.c.intermediate_id, selected.intermediates)
    clear_in(connection, stage_input.c.fitted_id, selected.fitted)
    clear_in(connection, stage.c.reused_from, selected.stages)
    clear_in(connection, stage.c.parent_id, selected.stages)
    for table in (stage_input, hyperparameter, metric, history):
        delete_in(connection, table.c.stage_id, selected.stages)
    _forbid_reuse(connection, selected)
    _delete_entities(connection, selected)
    delete_in(connection, intermediate_use.c.intermediate_id, selected.intermediates)
    delete_in(connection, intermediate.c.id, selected.intermediates)
    delete_in(connection, fitted.c.id, selected.fitted)
    delete_in(connection, stage.c.id, selected.stages)
    end_captures(connection, captures_of(connection, selected.versions))
    delete_in(connection, life_change.c.model_version_id, selected.versions)
    delete_tags(connection, "version", selected.versions)
    delete_in(connection, model_version.c.id, selected.versions)
    delete_in(connection, model.c.id, selected.models)
    if selected.project is not None:
        # The experiments of a project, and with them the history of its runs, outlive its models.
        used = sa.select(experiment.c.id).where(experiment.c.project_id == selected.project)
        others = sa.select(model.c.id).where(model.c.project_id == selected.project)
        if connection.scalar(used.limit(1)) is None and connection.scalar(others.limit(1)) is None:
            delete_tags(connection, "project", [selected.project])
            delete_in(connection, project.c.id, [selected.project])


def _delete_entities(connection: sa.Connection, selected: Selected) -> None:
    """Delete the data frames and transformers that stages made; of those that stay the content may be gone."""
    clear_in(connection, data_frame.c.intermediate_id, selected.intermediates)
    clear_in(connection, transformer.c.fitted_id, selected.fitted)
    clear_in(connection, annotation_fragment.c.stage_id, selected.stages)
    made = sa.select(data_frame.c.id)
    frames = {int(row.id) for row in select_in(connection, made, data_frame.c.stage_id, selected.stages)}
    for column in (stage_input.c.data_frame_id, metric.c.data_frame_id, annotation_fragment.c.data_frame_id):
        clear_in(connection, column, frames)
    delete_in(connection, data_frame.c.id, frames)
    learned = sa.select(transformer.c.id, transformer.c.facts_id)
    models = list(select_in(connection, learned, transformer.c.stage_id, selected.stages))
    ids = {int(row.id) for row in models}
    for column in (stage_input.c.transformer_id, metric.c.transformer_id, annotation_fragment.c.transformer_id):
        clear_in(connection, column, ids)
    delete_in(connection, transformer.c.id, ids)
    facts = {int(row.facts_id) for row in models if row.facts_id is not None}
    for batch in batches(facts):
        forget_unused_facts(connection, batch)


def delete_tags(connection: sa.Connection, entity: str, ids: Iterable[int]) -> None:
    """Delete the tags of some rows of a table."""
    for batch in batches(ids):
        connection.execute(sa.delete(tag).where(tag.c.entity == entity, tag.c.entity_id.in_(batch)))


def _forbid_reuse(connection: sa.Connection, selected: Selected) -> None:
    """Forget the fingerprint of a stage that stays but has lost an output: nobody may take over the rest."""
    query = sa.select(intermediate.c.stage_id).where(intermediate.c.stage_id.is_not(None))
    makers = {int(row.stage_id) for row in select_in(connection, query, intermediate.c.id, selected.intermediates)}
    for batch in batches(makers - selected.stages):
        connection.execute(sa.update(stage).where(stage.c.id.in_(batch)).values(fingerprint=None))


def _listed(labels: Iterable[str]) -> str:
    names = list(dict.fromkeys(labels))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
