"""Which intermediates of a project hold predictions beside what is true."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import SUCCESS
from mistique_core.catalogue.layouts import read_layout
from mistique_core.catalogue.tables import (
    column_version,
    experiment_run,
    intermediate,
    layout,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.model import IntermediateKey

PREDICTIONS = ("prediction", "predictions", "predicted", "y_pred", "yhat")
PROBABILITY = "probability_"
USUAL_LABELS = ("target", "truth", "label", "y_true", "y")
AIRFLOW = "airflow"
_BATCH = 500


@dataclass(frozen=True)
class PredictionSet:
    """One intermediate that holds predictions and the label of the same rows.

    Attributes
    ----------
    project, model, version, version_id
        The model version that made it.
    intermediate, intermediate_id, rows
        Which intermediate, and its number of rows.
    address, row_ids
        Content addresses of all its values, and of its row ids: two of the same address have the same rows in the same
        order.
    prediction
        Name of the column of predictions; ``None`` where there are probabilities only.
    probabilities
        Names of the columns of probabilities, ``probability_<class>``.
    labels
        Names of the columns that may be the label, the likeliest first.
    """

    project: str
    model: str
    version: int
    version_id: int
    intermediate: str
    intermediate_id: int
    rows: int
    address: bytes
    row_ids: bytes
    prediction: str | None
    probabilities: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the address of a page says: ``model@version.intermediate``."""
        return f"{self.model}@{self.version}.{self.intermediate}"

    def key(self, column: str) -> IntermediateKey:
        """Return the key of one of its columns."""
        return IntermediateKey(self.project, self.model, self.intermediate, column, self.version)


def find_predictions(
    catalogue: Catalogue, project_id: int, *, readable_dags: Collection[str] | None = None
) -> tuple[PredictionSet, ...]:
    """Return the intermediates with predictions and labels of the newest complete version of each model.

    Such an intermediate has a column named ``prediction`` (or a usual variant) or ``probability_<class>``, and another
    column that a stage of its run names as its label, or else any other column.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    project_id
        The project.
    readable_dags
        DAGs whose runs count; runs of scripts always do. ``None`` means all.

    Returns
    -------
    tuple of PredictionSet
        By name of the model, numbers in it by their value; those of one model in the order in which they were made,
        the last one last, those of a mapped task by map index.
    """
    with catalogue.read() as connection:
        versions = _newest_versions(connection, project_id, readable_dags)
        found: list[PredictionSet] = []
        ids = list(versions)
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            labels = _labels(connection, batch)
            made = _made_by(connection, batch)
            names = _column_names(connection, {row.layout_id for row in made if row.layout_id is not None})
            for row in made:
                project_name, model_name, number = versions[row.model_version_id]
                chosen = _roles(names.get(row.layout_id, ()), labels[row.model_version_id])
                if chosen is not None:
                    found.append(
                        PredictionSet(
                            project_name,
                            model_name,
                            number,
                            row.model_version_id,
                            row.name,
                            row.id,
                            row.n_rows,
                            bytes(row.address),
                            bytes(row.row_ids),
                            *chosen,
                        )
                    )
    return tuple(sorted(found, key=lambda item: _natural(item.model)))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return by what names are sorted: numbers in them by their value, so that ``p2`` comes before ``p10``."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"([0-9]+)", name)]


def comparable(sets: Sequence[PredictionSet], label: str | None = None) -> tuple[tuple[PredictionSet, ...], str]:
    """Return the sets to compare if nobody says which: those of most models over the same rows, and their label.

    Parameters
    ----------
    sets
        At least one.
    label
        The label, where it is said.

    Returns
    -------
    tuple
        One set a model, the last that was made, and the label: the likeliest of most models.
    """
    if label is None:
        labels = Counter(item.labels[0] for item in {item.model: item for item in sets}.values())
        label = labels.most_common(1)[0][0]
    by_rows: dict[bytes, dict[str, PredictionSet]] = defaultdict(dict)
    for item in sets:
        if label in item.labels:
            by_rows[item.row_ids][item.model] = item
    if not by_rows:
        return (), label
    most = max(by_rows.values(), key=lambda found: (len(found), max(item.intermediate_id for item in found.values())))
    return tuple(most.values()), label


def _newest_versions(
    connection: sa.Connection, project_id: int, readable_dags: Collection[str] | None
) -> dict[int, tuple[str, str, int]]:
    """Return the newest complete version of each model that may be shown: id -> (project, model, number)."""
    query = (
        sa.select(project.c.name.label("project"), model.c.id, model.c.name, model_version.c.id.label("version"))
        .add_columns(model_version.c.number)
        .select_from(model_version.join(model).join(project))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(project.c.id == project_id, experiment_run.c.state == SUCCESS)
        .order_by(model_version.c.number)
    )
    if readable_dags is not None:
        allowed = experiment_run.c.dag_id.in_(sorted(readable_dags))
        query = query.where(sa.or_(experiment_run.c.source != AIRFLOW, allowed))
    last = {row.id: row for row in connection.execute(query)}
    return {row.version: (row.project, row.name, row.number) for row in last.values()}


def _made_by(connection: sa.Connection, version_ids: Sequence[int]) -> list[Any]:
    """Return the last attempt of each intermediate of some versions, in the order in which they were made.

    Those of a mapped task are in the order of its map indices: which of them ends last says nothing.
    """
    query = (
        sa.select(
            intermediate.c.id,
            intermediate.c.name,
            intermediate.c.model_version_id,
            intermediate.c.n_rows,
            intermediate.c.address,
            intermediate.c.layout_id,
            column_version.c.address.label("row_ids"),
            stage.c.task_id,
            stage.c.map_index,
        )
        .join(column_version, column_version.c.id == intermediate.c.row_id_version)
        .outerjoin(stage, stage.c.id == intermediate.c.stage_id)
        .where(intermediate.c.model_version_id.in_(version_ids))
        .order_by(intermediate.c.id)
    )
    rows = connection.execute(query).all()
    last = {(row.model_version_id, row.name): row.id for row in rows}
    kept = [row for row in rows if last[row.model_version_id, row.name] == row.id]
    begun: dict[Any, int] = {}
    for row in kept:
        begun.setdefault(_maker(row), row.id)
    return sorted(kept, key=lambda row: (begun[_maker(row)], row.map_index or 0, row.id))


def _maker(row: Any) -> Any:
    """Return what made an intermediate: the task of a mapped one, all of whose parts belong together."""
    is_mapped = row.map_index is not None and row.map_index >= 0
    return (row.model_version_id, row.task_id) if is_mapped else row.id


def _column_names(connection: sa.Connection, layout_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    query = sa.select(layout.c.id, layout.c.names).where(layout.c.id.in_(sorted(layout_ids)))
    return {row.id: tuple(read_layout(row.names).names) for row in connection.execute(query)}


def _labels(connection: sa.Connection, version_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the columns that stages of each version name as their label, the last stage's first."""
    found: dict[int, list[str]] = defaultdict(list)
    query = (
        sa.select(stage.c.model_version_id, stage.c.params)
        .where(stage.c.model_version_id.in_(version_ids))
        .order_by(stage.c.id.desc())
    )
    for row in connection.execute(query):
        label = row.params.get("label") if isinstance(row.params, dict) else None
        if isinstance(label, str):
            found[row.model_version_id].append(label)
    return found


def _roles(names: Sequence[str], known: Sequence[str]) -> tuple[str | None, tuple[str, ...], tuple[str, ...]] | None:
    """Return prediction, probabilities and possible labels among columns; ``None`` where some are missing."""
    prediction = next((name for name in PREDICTIONS if name in names), None)
    probabilities = tuple(name for name in names if name.startswith(PROBABILITY))
    others = [name for name in names if name != prediction and name not in probabilities]
    if not others or (prediction is None and not probabilities):
        return None
    likely = [name for name in (*known, *USUAL_LABELS) if name in others]
    return prediction, probabilities, tuple(dict.fromkeys([*likely, *others]))
