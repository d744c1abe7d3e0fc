"""What runs measured after each iteration, together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import history, value_name
from mistique_core.catalogue.tables import model_version, stage
from mistique_core.modeldb.entities import select_batches


@dataclass(frozen=True)
class Curve:
    """One history.

    Attributes
    ----------
    run_id, stage
        The run, and the name of its stage.
    name
        What was measured, such as ``loss``.
    values
        One an iteration, in order.
    """

    run_id: int
    stage: str
    name: str
    values: tuple[float, ...]


def run_curves(connection: sa.Connection, run_ids: Sequence[int]) -> tuple[Curve, ...]:
    """Return the histories of runs, in the order of the runs, then by stage and name.

    Those of parts of an event, such as a fold, are left out.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    run_ids
        Rows of the runs.
    """
    query = (
        sa.select(model_version.c.run_id, stage.c.id, stage.c.name, value_name.c.name.label("what"), history.c.value)
        .select_from(
            history.join(stage, stage.c.id == history.c.stage_id)
            .join(model_version, model_version.c.id == stage.c.model_version_id)
            .join(value_name, value_name.c.id == history.c.name_id)
        )
        .where(stage.c.parent_id.is_(None))
        .order_by(stage.c.id, value_name.c.name, history.c.step)
    )
    found: dict[tuple[int, int, str, str], list[float]] = defaultdict(list)
    for row in select_batches(connection, query, model_version.c.run_id, run_ids):
        found[row.run_id, row.id, row.name, row.what].append(row.value)
    place = {run: number for number, run in enumerate(run_ids)}
    ordered = sorted(found, key=lambda key: (place[key[0]], key[1], key[3]))
    return tuple(Curve(key[0], key[2], key[3], tuple(found[key])) for key in ordered)
