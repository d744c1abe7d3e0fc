"""Curves and metrics of model versions, as event files that TensorBoard reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import LOSSLESS
from mistique_core.catalogue.modeldb_tables import history, value_name
from mistique_core.catalogue.tables import experiment_run, intermediate, model, model_version, project, stage
from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.modeldb.records import StageRecord
from mistique_core.modeldb.stage_records import stage_records
from mistique_core.store import Mistique

TRAINING = "history"
"""Name of the output of a training stage that has one row an epoch."""

Point = tuple[str, int, float, float]
"""Tag, step, value, and Unix seconds."""


def require_tensorboard() -> Any:
    """Return the module ``tensorboard``; raises :class:`InvalidInputError` if it is not installed."""
    try:
        import tensorboard
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "this needs TensorBoard; install it with: pip install 'mistique-airflow[dnn]'"
        ) from error
    return tensorboard


def write_curves(store: Mistique, version_id: int, folder: Path) -> int:
    """Write the curves and metrics of a model version into a new event file; return how many points it has.

    The tag of a value is ``stage/name``; a curve's step is its epoch or iteration, and a metric is one point at the
    step 0, ``metrics/stage/name``. Values that are not finite are left out.

    Parameters
    ----------
    store
        Where they are recorded.
    version_id
        Id of the model version's row.
    folder
        The run in TensorBoard; made where it does not exist.

    Raises
    ------
    InvalidInputError
        If TensorBoard is not installed.
    StorageError
        If the file cannot be written.
    """
    require_tensorboard()
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    points = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("events.out.tfevents.*.mistique"):
            old.unlink()
        writer = EventFileWriter(str(folder), filename_suffix=".mistique")
        try:
            for tag, step, value, seconds in version_points(store, version_id):
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                writer.add_event(Event(wall_time=seconds, step=step, summary=summary))
                points += 1
        finally:
            writer.close()
    except OSError as error:
        raise StorageError(f"cannot write into {str(folder)!r}: {error}; choose another folder") from error
    return points


def version_points(store: Mistique, version_id: int) -> Iterator[Point]:
    """Yield the points of a model version: of the curves of its stages, and of their metrics."""
    with store.catalogue.read() as connection:
        run_id = connection.scalar(sa.select(model_version.c.run_id).where(model_version.c.id == version_id))
        assert run_id is not None
        own = set(connection.scalars(sa.select(stage.c.id).where(stage.c.model_version_id == version_id)))
        made = [item for item in stage_records(connection, run_id) if item.id in own and item.is_last_try]
        recorded = connection.execute(
            sa.select(history.c.stage_id, value_name.c.name, history.c.step, history.c.value)
            .join(value_name, value_name.c.id == history.c.name_id)
            .where(history.c.stage_id.in_(sa.select(stage.c.id).where(stage.c.model_version_id == version_id)))
            .order_by(history.c.stage_id, value_name.c.name, history.c.step)
        ).all()
        trained = connection.execute(
            sa.select(
                intermediate.c.stage_id, intermediate.c.name, project.c.name, model.c.name, model_version.c.number
            )
            .select_from(intermediate.join(model_version).join(model).join(project))
            .where(
                model_version.c.id == version_id,
                intermediate.c.output == TRAINING,
                intermediate.c.scheme == LOSSLESS,
                intermediate.c.stage_id.is_not(None),
            )
        ).all()
    stages = {item.id: item for item in made}
    whole = {stage_id for stage_id, *_ in trained}  # what ModelDB records of such a fit is the same curve, from 0
    for stage_id, name, step, value in recorded:
        if stage_id in stages and stage_id not in whole:
            yield _tag(stages[stage_id], name), step, value, _seconds(stages[stage_id])
    for stage_id, name, project_name, model_name, number in trained:
        if stage_id in stages:
            key = f"{project_name}.{model_name}@{number}.{name}"
            for frame in store.stream(key):
                for column in frame.select_dtypes("number"):
                    tag = _tag(stages[stage_id], str(column))
                    for step, value in frame[column].items():
                        if math.isfinite(value):
                            yield tag, int(str(step)), float(value), _seconds(stages[stage_id])
    for item in made:
        for name, value in item.metrics.items():
            if math.isfinite(value):
                yield f"metrics/{_tag(item, name)}", 0, value, _seconds(item)


def versions_of(store: Mistique, project_name: str, model_name: str) -> list[tuple[int, int]]:
    """Return (number, id) of the versions of a model whose run has begun, the oldest first."""
    with store.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(model_version.c.number, model_version.c.id)
            .select_from(model_version.join(model).join(project).join(experiment_run))
            .where(project.c.name == project_name, model.c.name == model_name)
            .order_by(model_version.c.number)
        ).all()
    return [(row[0], row[1]) for row in rows]


def _tag(item: StageRecord, name: str) -> str:
    place = f"{item.name}[{item.map_index}]" if item.map_index >= 0 else item.name
    return f"{place}/{name}"


def _seconds(item: StageRecord) -> float:
    return item.started_at if item.ended_at is None else item.ended_at
