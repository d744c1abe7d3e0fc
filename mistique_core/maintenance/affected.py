"""Which columns of which intermediates a damaged chunk belongs to, and whether a re-run heals them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.intermediates import intermediate_by_id
from mistique_core.catalogue.layouts import read_layout
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.catalogue.tables import (
    chunk,
    column_chunk,
    column_version,
    fitted,
    layout,
    model,
    model_version,
    project,
)
from mistique_core.cost import NO_RATES
from mistique_core.errors import MistiqueError
from mistique_core.maintenance.batches import select_in
from mistique_core.maintenance.problems import shown
from mistique_core.maintenance.references import load_intermediates
from mistique_core.planner import Facts, plan_target

_ROW_IDS = "its row ids"


@dataclass(frozen=True)
class Affected:
    """Something that needs a damaged chunk.

    Attributes
    ----------
    label
        ``project.model@version.intermediate`` or the fitted object.
    columns
        The columns concerned.
    can_rerun
        Whether a re-run gives the values again.
    """

    label: str
    columns: tuple[str, ...]
    can_rerun: bool

    def __str__(self) -> str:
        columns = f" ({shown(self.columns)})" if self.columns else ""
        return f"{self.label}{columns}, {'can' if self.can_rerun else 'cannot'} be re-run"


def find_affected(connection: sa.Connection, damaged: Iterable[int]) -> dict[int, list[Affected]]:
    """Return, for each damaged chunk, what needs it.

    A re-run counts as possible only if it reads nothing that is damaged itself.

    Parameters
    ----------
    connection
        A connection.
    damaged
        Ids of all damaged chunks.
    """
    versions = _versions_of(connection, set(damaged))
    wanted = {item for items in versions.values() for item in items}
    columns = _columns_of(connection, wanted)
    objects = _fitted_of(connection, set(damaged))
    lost_frames = {owner for owners in columns.values() for owner in owners}
    lost_objects = {item for items in objects.values() for item, _ in items}
    heals = {item: _can_rerun(connection, item, lost_frames, lost_objects) for item in sorted(lost_frames)}
    labels = {item: intermediate_by_id(connection, item).ref for item in lost_frames}
    found: dict[int, list[Affected]] = {item: [] for item in damaged}
    for item in found:
        names: dict[int, list[str]] = defaultdict(list)
        for version in sorted(versions.get(item, ())):
            for owner, listed in columns.get(version, {}).items():
                names[owner] += [name for name in listed if name not in names[owner]]
        for owner, listed in sorted(names.items()):
            ref = labels[owner]
            label = f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}"
            found[item].append(Affected(label, tuple(listed), heals[owner]))
        found[item] += [Affected(label, (), False) for _, label in objects.get(item, ())]
    return found


def _versions_of(connection: sa.Connection, damaged: set[int]) -> Mapping[int, set[int]]:
    """Return chunk -> column versions whose values need it, over differences and categories."""
    needs: dict[int, set[int]] = {item: {item} for item in damaged}
    for row in select_in(connection, sa.select(chunk.c.id, chunk.c.base_id), chunk.c.base_id, damaged):
        needs[int(row.base_id)].add(int(row.id))
    users: dict[int, set[int]] = defaultdict(set)
    everything = {item for items in needs.values() for item in items}
    query = sa.select(column_chunk.c.chunk_id, column_chunk.c.column_version_id)
    for row in select_in(connection, query, column_chunk.c.chunk_id, everything):
        users[int(row.chunk_id)].add(int(row.column_version_id))
    direct = {version for items in users.values() for version in items}
    parents: dict[int, set[int]] = defaultdict(set)
    categories = sa.select(column_version.c.id, column_version.c.categories_id)
    for row in select_in(connection, categories, column_version.c.categories_id, direct):
        parents[int(row.categories_id)].add(int(row.id))
    found: dict[int, set[int]] = {}
    for item, chunks in needs.items():
        own = {version for part in chunks for version in users.get(part, ())}
        found[item] = own | {parent for version in own for parent in parents.get(version, ())}
    return found


def _columns_of(connection: sa.Connection, versions: set[int]) -> dict[int, dict[int, list[str]]]:
    """Return column version -> intermediate -> names of its columns."""
    wanted = np.array(sorted(versions), np.int64)
    found: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    names: dict[int, list[list[str]]] = {}
    for item in load_intermediates(connection):
        hits = np.flatnonzero(np.isin(item.versions, wanted))
        if not len(hits):
            continue
        if item.layout not in names:
            names[item.layout] = _names(connection, item.layout)
        for position in hits.tolist():
            is_row_id = position == len(item.versions) - 1
            listed = [_ROW_IDS] if is_row_id else names[item.layout][position]
            found[int(item.versions[position])][item.id] += listed
    return found


def _names(connection: sa.Connection, layout_id: int) -> list[list[str]]:
    """Return the names of the columns that each column version of a layout holds."""
    stored = connection.execute(sa.select(layout.c.names).where(layout.c.id == layout_id)).scalar_one()
    known = read_layout(bytes(stored))
    if known.members is None:
        return [[name] for name in known.names]
    listed: dict[int, list[str]] = defaultdict(list)
    for name, (position, _) in zip(known.names, known.members, strict=True):
        listed[position].append(name)
    return [listed[position] for position in range(max(listed) + 1)]


def _fitted_of(connection: sa.Connection, damaged: set[int]) -> Mapping[int, list[tuple[int, str]]]:
    query = sa.select(
        fitted.c.id,
        fitted.c.chunk_id,
        fitted.c.output,
        model.c.name.label("model"),
        project.c.name.label("project"),
        model_version.c.number,
    ).select_from(
        fitted.join(model_version, model_version.c.id == fitted.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
    )
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in select_in(connection, query, fitted.c.chunk_id, damaged):
        label = f"fitted object {row.output!r} of {row.project}.{row.model}@{row.number}"
        found[int(row.chunk_id)].append((int(row.id), label))
    return found


def _can_rerun(connection: sa.Connection, item: int, lost_frames: set[int], lost_objects: set[int]) -> bool:
    try:
        known = gather_facts(connection, intermediate_by_id(connection, item)).facts([], NO_RATES)
        readable = {
            number: replace(fact, materialized=number not in lost_frames)
            for number, fact in known.intermediates.items()
        }
        plan = plan_target(item, Facts(readable, known.stages, known.rate), "rerun")
    except MistiqueError:
        return False
    learned = select_in(connection, sa.select(fitted.c.id), fitted.c.stage_id, plan.stages)
    taken = select_in(connection, sa.select(stage_input.c.fitted_id), stage_input.c.stage_id, plan.stages)
    return lost_objects.isdisjoint({*(row.id for row in learned), *(row.fitted_id for row in taken)})
