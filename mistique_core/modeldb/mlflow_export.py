"""Write a recorded run into a tracking store of MLflow, through MLflow's own client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mistique_core.errors import InvalidInputError, NotFoundError, StorageError
from mistique_core.modeldb.mlflow_record import MlflowTree, mlflow_tree
from mistique_core.modeldb.runs import find_run
from mistique_core.store import Mistique

_ALLOW_FILES = "MLFLOW_ALLOW_FILE_STORE"
_METRICS_AT_ONCE = 1_000
_TEXTS_AT_ONCE = 100


def export_mlflow(store: Mistique, name: str, run_id: str, to: str | os.PathLike[str]) -> str:
    """Write a run, and one for each cell and fold that is a part of it; return MLflow's id of the run.

    Parameters
    ----------
    store
        Where it is recorded.
    name, run_id
        The DAG, script or file, and the run.
    to
        Folder of MLflow's file store, made if it is new; or a URI that MLflow knows, such as ``sqlite:///mlflow.db``.

    Raises
    ------
    InvalidInputError
        If MLflow is not installed.
    NotFoundError
        If there is no such run.
    StorageError
        If MLflow refuses something; what it had taken of the run is deleted there.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise InvalidInputError(
            "exporting needs MLflow, which is not installed; run: pip install mlflow-skinny"
        ) from error
    with store.catalogue.read() as connection:
        detail = find_run(connection, name, run_id)
        if detail is None:
            raise NotFoundError(f"there is no run {run_id!r} of {name!r}; give the name and the id of a recorded run")
        tree = mlflow_tree(connection, detail)
    place = os.fspath(to)
    is_folder = "://" not in place
    with _file_store_allowed(is_folder):
        made: list[str] = []
        client: MlflowClient | None = None
        try:
            client = MlflowClient(tracking_uri=Path(place).absolute().as_uri() if is_folder else place)
            return _write(client, _experiment(client, tree.run.experiment), tree, None, made)
        except (MlflowException, OSError) as error:
            if client is not None:
                for item in made:
                    client.delete_run(item)
            raise StorageError(f"MLflow did not take the run: {error}; nothing of it is left in {place}") from error


@contextmanager
def _file_store_allowed(is_wanted: bool) -> Iterator[None]:
    """MLflow 3 refuses file stores unless a variable of the environment asks for them."""
    before = os.environ.get(_ALLOW_FILES)
    if is_wanted:
        os.environ[_ALLOW_FILES] = "true"
    try:
        yield
    finally:
        if is_wanted:
            if before is None:
                del os.environ[_ALLOW_FILES]
            else:
                os.environ[_ALLOW_FILES] = before


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _write(client: Any, experiment: str, tree: MlflowTree, parent: str | None, made: list[str]) -> str:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    run = tree.run
    tags = dict(run.tags)
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    user = {"mlflow.user": run.user} if run.user else {}
    info = client.create_run(experiment, start_time=run.start_time, tags=user, run_name=run.name or None).info
    run_id = str(info.run_id)
    made.append(run_id)
    params = [Param(key, value) for key, value in run.params.items()]
    texts = [RunTag(key, value) for key, value in tags.items()]
    metrics = []
    for key, points in run.metrics.items():
        for point in points:
            data, digest = point.dataset or (None, None)
            metrics.append(
                Metric(key, point.value, point.timestamp, point.step, dataset_name=data, dataset_digest=digest)
            )
    for start in range(0, len(params), _TEXTS_AT_ONCE):
        client.log_batch(run_id, params=params[start : start + _TEXTS_AT_ONCE])
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        client.log_batch(run_id, tags=texts[start : start + _TEXTS_AT_ONCE])
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS_AT_ONCE])
    if run.datasets:
        inputs = [
            DatasetInput(
                Dataset(
                    item.name, item.digest, item.source_type, item.source, item.schema or None, item.profile or None
                ),
                [InputTag(key, value) for key, value in item.tags.items()],
            )
            for item in run.datasets
        ]
        client.log_inputs(run_id, inputs)
    for child in tree.children:
        _write(client, experiment, child, run_id, made)
    if run.status in ("FINISHED", "FAILED", "KILLED"):
        client.set_terminated(run_id, run.status, run.end_time)
    return run_id
