"""Read runs of MLflow from its SQLite file (``mlflow.db``), without MLflow and without writing to it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from mistique_core.modeldb.mlflow_files import MlflowExperiment
from mistique_core.modeldb.mlflow_run import MetricPoint, MlflowDataset, MlflowFormatError, MlflowModel, MlflowRun

_HUGE = 1.7976931348623157e308
"""What MLflow writes for an infinity."""


class MlflowDatabase:
    """A tracking store in a SQLite file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    MlflowFormatError
        If it is no database of MLflow's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine(f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&uri=true")
        self._tables = sa.MetaData()
        try:
            with self._connected() as connection:
                self._tables.reflect(connection)
            missing = {"experiments", "runs", "params", "metrics", "tags"} - set(self._tables.tables)
            if missing:
                raise MlflowFormatError(
                    f"{path}: it lacks the tables {', '.join(sorted(missing))} of an MLflow database"
                )
        except MlflowFormatError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, KeyError) as error:
            cause = getattr(error, "orig", None) or error
            raise MlflowFormatError(f"{self.path}: it cannot be read as an MLflow database: {cause}") from error

    def experiments(self) -> list[MlflowExperiment]:
        """Return the experiments, deleted ones too."""
        table = self._tables.tables["experiments"]
        with self._connected() as connection:
            return [
                MlflowExperiment(self.path, str(row.experiment_id), row.name, row.lifecycle_stage == "deleted")
                for row in connection.execute(sa.select(table).order_by(table.c.experiment_id))
            ]

    def run_ids(self, experiment: MlflowExperiment) -> list[str]:
        """Return the ids of an experiment's runs, deleted ones too."""
        table = self._tables.tables["runs"]
        query = sa.select(table.c.run_uuid).where(table.c.experiment_id == int(experiment.id))
        with self._connected() as connection:
            return list(connection.scalars(query.order_by(table.c.start_time, table.c.run_uuid)))

    def read_run(self, run_id: str, experiment: MlflowExperiment) -> MlflowRun | None:
        """Return a run; ``None`` if it was deleted in MLflow. The paths of its artifacts are not looked for."""
        with self._connected() as connection:
            table = self._tables.tables["runs"]
            row = connection.execute(sa.select(table).where(table.c.run_uuid == run_id)).one()
            if row.lifecycle_stage == "deleted":
                return None
            tags = self._texts(connection, "tags", run_id)
            return MlflowRun(
                run_id,
                experiment.id,
                experiment.name,
                tags.get("mlflow.runName") or row.name or "",
                tags.get("mlflow.user") or row.user_id or "",
                row.status,
                row.start_time,
                row.end_time,
                self._texts(connection, "params", run_id),
                tags,
                self._points(connection, run_id),
                tuple(self._datasets(connection, run_id)),
                tuple(self._models(connection, run_id)),
                row.artifact_uri or "",
            )

    def _texts(self, connection: sa.Connection, name: str, run_id: str) -> dict[str, str]:
        table = self._tables.tables[name]
        query = sa.select(table.c.key, table.c.value).where(table.c.run_uuid == run_id).order_by(table.c.key)
        return {row.key: row.value or "" for row in connection.execute(query)}

    def _points(self, connection: sa.Connection, run_id: str) -> dict[str, tuple[MetricPoint, ...]]:
        table = self._tables.tables["metrics"]
        query = (
            sa.select(table).where(table.c.run_uuid == run_id).order_by(table.c.key, table.c.timestamp, table.c.step)
        )
        found: dict[str, list[MetricPoint]] = defaultdict(list)
        for row in connection.execute(query):
            infinite = abs(row.value) >= _HUGE
            value = math.nan if row.is_nan else math.copysign(math.inf, row.value) if infinite else row.value
            found[row.key].append(MetricPoint(row.timestamp, value, row.step))
        return {name: tuple(points) for name, points in found.items()}

    def _datasets(self, connection: sa.Connection, run_id: str) -> Iterator[MlflowDataset]:
        if not {"inputs", "datasets", "input_tags"} <= set(self._tables.tables):
            return
        links, data, tags = (self._tables.tables[name] for name in ("inputs", "datasets", "input_tags"))
        query = (
            sa.select(data, links.c.input_uuid)
            .join(links, links.c.source_id == data.c.dataset_uuid)
            .where(links.c.source_type == "DATASET", links.c.destination_id == run_id)
            .order_by(data.c.name, data.c.digest)
        )
        for row in connection.execute(query).all():
            used = connection.execute(sa.select(tags.c.name, tags.c.value).where(tags.c.input_uuid == row.input_uuid))
            yield MlflowDataset(
                row.name,
                row.digest,
                row.dataset_source_type or "",
                row.dataset_source or "",
                row.dataset_schema or "",
                row.dataset_profile or "",
                {item.name: item.value for item in used},
            )

    def _models(self, connection: sa.Connection, run_id: str) -> Iterator[MlflowModel]:
        if "logged_models" not in self._tables.tables:
            return
        table = self._tables.tables["logged_models"]
        query = sa.select(table).where(table.c.source_run_id == run_id, table.c.lifecycle_stage != "deleted")
        for row in connection.execute(query.order_by(table.c.creation_timestamp_ms)):
            yield MlflowModel(row.name, row.artifact_location)
