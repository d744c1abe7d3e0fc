"""One model version as a graph: its intermediates in the order in which they were made, and the stages behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import ColumnRecord, columns_of
from mistique_core.catalogue.modeldb_tables import stage_input
from mistique_core.catalogue.tables import intermediate, model, model_version, project, stage


@dataclass(frozen=True)
class StageNode:
    """One stage of a model version.

    Attributes
    ----------
    name, operator
        Its name in the workflow, and the name of what it does, such as ``Evaluate``.
    params
        As they were recorded.
    intermediates, fitted
        Ids of the intermediates and of the fitted objects that it took.
    """

    name: str
    operator: str
    params: dict[str, Any]
    intermediates: tuple[int, ...]
    fitted: tuple[int, ...]


@dataclass(frozen=True)
class IntermediateNode:
    """One intermediate of a model version.

    Attributes
    ----------
    id, name, rows
        Its row in the catalogue, its name and its number of rows.
    address, row_id_version
        Its content address, and the column version of its row ids.
    columns
        Its columns, in order.
    stage
        The stage that made it; ``None`` for one that was logged by hand.
    """

    id: int
    name: str
    rows: int
    address: bytes
    row_id_version: int
    columns: tuple[ColumnRecord, ...]
    stage: StageNode | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class VersionGraph:
    """A model version.

    Attributes
    ----------
    project, model, number
        Which one.
    intermediates
        The last attempt of each, in the order in which they were made.
    stages
        The last try of each, in the order in which they started; those without outputs too.
    """

    project: str
    model: str
    number: int
    intermediates: tuple[IntermediateNode, ...]
    stages: tuple[StageNode, ...]

    @property
    def label(self) -> str:
        """``project.model@version``."""
        return f"{self.project}.{self.model}@{self.number}"

    def intermediate(self, name: str) -> IntermediateNode | None:
        """Return an intermediate by name, or ``None``."""
        return next((item for item in self.intermediates if item.name == name), None)

    def path_to(self, last: IntermediateNode) -> tuple[IntermediateNode, ...]:
        """Return the intermediates that one was made from, and itself, in the order in which they were made."""
        by_id = {item.id: item for item in self.intermediates}
        found, waiting = set[int](), [last.id]
        while waiting:
            item = waiting.pop()
            if item in found or item not in by_id:
                continue
            found.add(item)
            made_by = by_id[item].stage
            waiting.extend(made_by.intermediates if made_by is not None else ())
        return tuple(item for item in self.intermediates if item.id in found)


def version_graph(connection: sa.Connection, version_id: int) -> VersionGraph:
    """Return a model version with its intermediates and stages.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    version_id
        Id of the model version (:func:`mistique_core.catalogue.intermediates.find_version`).
    """
    row = connection.execute(
        sa.select(project.c.name.label("project"), model.c.name.label("model"), model_version.c.number)
        .select_from(model_version.join(model).join(project))
        .where(model_version.c.id == version_id)
    ).one()
    stages = _stages(connection, version_id)
    made = connection.execute(
        sa.select(intermediate).where(intermediate.c.model_version_id == version_id).order_by(intermediate.c.id)
    ).all()
    last = {item.name: item.id for item in made}
    nodes = tuple(
        IntermediateNode(
            item.id,
            item.name,
            item.n_rows,
            item.address,
            item.row_id_version,
            tuple(columns_of(connection, item.id)),
            stages.get(item.stage_id),
        )
        for item in made
        if last[item.name] == item.id
    )
    return VersionGraph(row.project, row.model, row.number, nodes, tuple(stages.values()))


def _stages(connection: sa.Connection, version_id: int) -> dict[int, StageNode]:
    rows = connection.execute(
        sa.select(stage.c.id, stage.c.name, stage.c.map_index, stage.c.label, stage.c.operator, stage.c.params)
        .where(stage.c.model_version_id == version_id)
        .order_by(stage.c.started_at, stage.c.id)
    ).all()
    last = {(row.name, row.map_index): row.id for row in rows}
    taken: dict[int, tuple[list[int], list[int]]] = {row.id: ([], []) for row in rows}
    inputs = sa.select(stage_input).where(stage_input.c.stage_id.in_(list(taken))).order_by(stage_input.c.name)
    for item in connection.execute(inputs):
        intermediates, objects = taken[item.stage_id]
        if item.intermediate_id is not None:
            intermediates.append(item.intermediate_id)
        if item.fitted_id is not None:
            objects.append(item.fitted_id)
    return {
        row.id: StageNode(row.name, row.label, dict(row.params), tuple(taken[row.id][0]), tuple(taken[row.id][1]))
        for row in rows
        if last[(row.name, row.map_index)] == row.id
    }
