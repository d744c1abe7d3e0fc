"""Which rows are meant: groups by a stored column, orders, and selections, resolved to positions in the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mistique_core.catalogue.intermediates import find_version
from mistique_core.catalogue.version_stages import IntermediateNode, VersionGraph, version_graph
from mistique_core.diagnostics.values.groups import Groups, groups_of
from mistique_core.errors import InvalidInputError
from mistique_core.frames import LogicalType
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.predictions import Matrix, OrderedMatrix, PredictionSet
from mistique_core.predictions.ordering import Order, in_order
from mistique_ui.interactive.predictions.asked import CACHE
from mistique_ui.interactive.predictions.selection import Positions, Selection

if TYPE_CHECKING:
    from mistique_ui.interactive.viewer import Viewer

GROUP_BINS = 6
MOST_OPTIONS = 400


def graph_of(viewer: Viewer, item: PredictionSet) -> VersionGraph:
    """Return the stages and intermediates of the version that a prediction set belongs to."""
    with viewer.catalogue.read() as connection:
        return version_graph(connection, item.version_id)


def path_of(viewer: Viewer, item: PredictionSet) -> tuple[VersionGraph, tuple[IntermediateNode, ...]]:
    """Return the intermediates that the predictions were made from, and themselves, the earliest first."""
    graph = graph_of(viewer, item)
    own = graph.intermediate(item.intermediate)
    return graph, () if own is None else graph.path_to(own)


def key_of(graph: VersionGraph, node: IntermediateNode, column: str = ALL_COLUMNS) -> IntermediateKey:
    """Return the key of an intermediate, or of one of its columns, of exactly this version."""
    return IntermediateKey(graph.project, graph.model, node.name, column, graph.number)


def group_options(viewer: Viewer, item: PredictionSet) -> list[dict[str, str]]:
    """Return the columns that examples can be grouped by: each name once, from the earliest stage that has it."""
    graph, path = path_of(viewer, item)
    found: dict[str, dict[str, str]] = {}
    own = next((node.rows for node in path if node.name == item.intermediate), 0)
    for node in path:
        if node.rows < own:
            continue
        for column in node.columns:
            kind = LogicalType.from_json(column.logical_type)
            if not kind.map_shape and column.name not in found:
                found[column.name] = {
                    "label": f"{column.name} ({node.name})",
                    "value": str(key_of(graph, node, column.name)),
                }
    return list(found.values())[:MOST_OPTIONS]


def groups(viewer: Viewer, matrix: Matrix, text: str) -> Groups:
    """Return the group of each row of a matrix by a stored column; rows that it lacks are "missing".

    Raises
    ------
    MistiqueError
        If there is no such column, or it has too many values.
    HTTPException
        If the viewer may not see it.
    """
    key = IntermediateKey.parse(text)
    if key.column == ALL_COLUMNS:
        raise InvalidInputError(f"{text[:80]!r} names no column; choose one of the list")
    with viewer.catalogue.read() as connection:
        version = find_version(connection, key)
    viewer.may.see("version", [version])
    column = viewer.store.get_intermediates(key, strategy="read").frame.iloc[:, 0]
    return groups_of(column.reindex(matrix.row_ids).rename(key.column), GROUP_BINS)


def shown_in(viewer: Viewer, matrix: Matrix, text: str | None) -> OrderedMatrix:
    """Return the matrix in the order that a text names, by default by mean error."""
    order = Order.parse(text or "error")
    codes = None
    if order.kind == "group" and CACHE.find(("order", matrix.address, order)) is None:
        codes = groups(viewer, matrix, order.of).codes
    return in_order(matrix, order, CACHE, codes)


def selected(viewer: Viewer, matrix: Matrix, text: str | None) -> Positions | None:
    """Return the positions of the selected rows in the order in which they were selected, ``None`` for all rows."""
    if not text:
        return None
    chosen = Selection.parse(text)
    if chosen.row_ids:
        found = matrix.positions(chosen.row_ids)
    else:
        order = shown_in(viewer, matrix, chosen.order)
        found = order.permutation[slice(*chosen.span)].astype(np.int64)
    if not len(found):
        raise InvalidInputError("none of the selected rows is among those that the chosen models share; select others")
    return found
