"""Read runs of MLflow from the files of a tracking store (an ``mlruns`` folder), without MLflow.

The layout is that of MLflow's ``FileStore``: ``EXPERIMENT/RUN/meta.yaml`` with ``params/``, ``metrics/`` (a line each:
milliseconds, value, step, and maybe name and digest of a dataset), ``tags/``, ``inputs/``, ``outputs/`` and
``artifacts/`` beside it. A name with ``/`` is a path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistique_core.errors import NotFoundError
from mistique_core.modeldb.mlflow_run import (
    STATUSES,
    MetricPoint,
    MlflowDataset,
    MlflowFormatError,
    MlflowModel,
    MlflowRun,
)
from mistique_core.workflows.specification.document import read_document
from mistique_core.workflows.specification.problem import DocumentError

TRASH = ".trash"
_META = "meta.yaml"
_NO_RUNS = ("datasets", "models", "tags", "traces")
_PARTS_OF_RUNS = ("artifacts", "inputs", "metrics", "outputs", "params", "tags")
_MOST_ARTIFACTS = 1_000


@dataclass(frozen=True)
class MlflowExperiment:
    """An experiment's folder.

    Attributes
    ----------
    path, id, name
        Where it is, and what it is called.
    is_deleted
        Whether it was deleted in MLflow.
    """

    path: Path
    id: str
    name: str
    is_deleted: bool = False


def tracking_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder of the tracking store: the one that is given, or ``mlruns`` in it.

    Raises
    ------
    NotFoundError
        If neither holds an experiment.
    """
    path = Path(folder)
    for candidate in (path, path / "mlruns"):
        if any(_experiment_folders(candidate)):
            return candidate
    raise NotFoundError(f"there is no MLflow experiment in {str(path)!r}; give the folder that MLflow calls mlruns")


def _experiment_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(item for item in root.iterdir() if item.name != TRASH and (item / _META).is_file())


def list_experiments(root: Path) -> tuple[list[MlflowExperiment], list[tuple[Path, MlflowFormatError]]]:
    """Return the experiments of a tracking store, deleted ones too, and those that cannot be read, with the reason."""
    found: list[MlflowExperiment] = []
    wrong: list[tuple[Path, MlflowFormatError]] = []
    folders = [(item, False) for item in _experiment_folders(root)]
    folders += [(item, True) for item in _experiment_folders(root / TRASH)]
    for folder, is_deleted in folders:
        try:
            meta = _meta(folder / _META)
            gone = is_deleted or meta.get("lifecycle_stage") == "deleted"
            found.append(
                MlflowExperiment(folder, _text(meta, "experiment_id", folder), _text(meta, "name", folder), gone)
            )
        except MlflowFormatError as error:
            wrong.append((folder, error))
    return found, wrong


def run_folders(experiment: MlflowExperiment) -> list[Path]:
    """Return the folders of an experiment's runs, by name; also those that lack what a run needs."""
    return [
        item
        for item in sorted(experiment.path.iterdir())
        if item.is_dir()
        and item.name not in _NO_RUNS
        and ((item / _META).is_file() or any((item / part).is_dir() for part in _PARTS_OF_RUNS))
    ]


def read_run(folder: Path, experiment: MlflowExperiment) -> MlflowRun | None:
    """Return a run; ``None`` if it was deleted in MLflow.

    Raises
    ------
    MlflowFormatError
        If one of its files cannot be read; the message names it.
    """
    meta = _meta(folder / _META)
    if meta.get("lifecycle_stage") == "deleted":
        return None
    run_id = str(meta.get("run_id") or meta.get("run_uuid") or "")
    if run_id != folder.name:
        raise MlflowFormatError(f"{folder / _META}: run_id is {run_id!r}, not the name of its folder; restore the file")
    tags = dict(_texts(folder / "tags"))
    artifacts = tuple(_paths(folder / "artifacts"))
    return MlflowRun(
        run_id,
        experiment.id,
        experiment.name,
        tags.get("mlflow.runName") or str(meta.get("run_name") or meta.get("name") or ""),
        tags.get("mlflow.user") or str(meta.get("user_id") or ""),
        _status(meta, folder),
        _milliseconds(meta, "start_time", folder),
        _milliseconds(meta, "end_time", folder),
        dict(_texts(folder / "params")),
        tags,
        {name: _points(path) for name, path in _files(folder / "metrics")},
        tuple(_datasets(folder, experiment)),
        tuple(_models(folder, experiment, artifacts)),
        str(meta.get("artifact_uri") or ""),
        artifacts[:_MOST_ARTIFACTS],
    )


def _meta(path: Path) -> dict[str, Any]:
    try:
        document = read_document(_read(path), str(path), least="run_id", any_key=True)
        document.check()
    except DocumentError as error:
        reason = " ".join(error.problems[0].text.removeprefix("this is not YAML: ").split())[:200]
        raise MlflowFormatError(
            f"{path}: this is not YAML: {reason}; restore the file, or delete the folder"
        ) from error
    value = document.value
    if not isinstance(value, dict):
        raise MlflowFormatError(f"{path}: this holds no keys; restore the file, or delete the folder")
    return value


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise MlflowFormatError(f"{path}: this is not UTF-8: {error.reason}; restore the file") from error
    except OSError as error:
        raise MlflowFormatError(f"{path}: it cannot be read: {error.strerror or error}") from error


def _text(meta: dict[str, Any], key: str, folder: Path) -> str:
    value = meta.get(key)
    if value is None:
        raise MlflowFormatError(f"{folder / _META}: the key {key} is missing; restore the file, or delete the folder")
    return str(value)


def _status(meta: dict[str, Any], folder: Path) -> str:
    status = meta.get("status")
    name = STATUSES.get(status, status) if isinstance(status, int) else status
    if name not in STATUSES.values():
        known = ", ".join(f"{number} ({text})" for number, text in STATUSES.items())
        raise MlflowFormatError(f"{folder / _META}: status is {status!r}; known: {known}")
    return str(name)


def _milliseconds(meta: dict[str, Any], key: str, folder: Path) -> int | None:
    value = meta.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise MlflowFormatError(f"{folder / _META}: {key} is {value!r}, no number of milliseconds; restore the file")
    return value


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, path) of the files below a folder; links are not followed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path


def _paths(folder: Path) -> Iterator[str]:
    return (name for name, _ in _files(folder))


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    return ((name, _read(path)) for name, path in _files(folder))


def _points(path: Path) -> tuple[MetricPoint, ...]:
    found = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split()
        try:
            if len(parts) not in (2, 3, 5):
                raise ValueError(f"{len(parts)} values")
            dataset = (parts[3], parts[4]) if len(parts) == 5 else None
            step = int(parts[2]) if len(parts) > 2 else 0
            found.append(MetricPoint(int(parts[0]), float(parts[1]), step, dataset))
        except ValueError as error:
            raise MlflowFormatError(
                f"{path}: line {number} is {line[:60]!r}, not milliseconds, value and step; correct it"
            ) from error
    if not found:
        raise MlflowFormatError(f"{path}: it holds no value; delete it")
    return tuple(found)


def _datasets(folder: Path, experiment: MlflowExperiment) -> Iterator[MlflowDataset]:
    for link in _metas(folder / "inputs"):
        if link.get("source_type") != "DATASET":
            continue
        meta = _meta(experiment.path / "datasets" / Path(str(link.get("source_id"))).name / _META)
        texts = {
            key: str(meta.get(key) or "") for key in ("name", "digest", "source_type", "source", "schema", "profile")
        }
        tags = {str(name): str(value) for name, value in (link.get("tags") or {}).items()}
        yield MlflowDataset(**texts, tags=tags)


def _metas(folder: Path) -> Iterator[dict[str, Any]]:
    if folder.is_dir():
        for item in sorted(folder.iterdir()):
            if item.is_dir():
                yield _meta(item / _META)


def _models(folder: Path, experiment: MlflowExperiment, artifacts: tuple[str, ...]) -> Iterator[MlflowModel]:
    """Yield the models among a run's artifacts (MLflow 1 and 2), then those that it links to (MLflow 3)."""
    for name in artifacts:
        path = Path(name)
        if path.name == "MLmodel":
            place = folder / "artifacts" / path.parent
            yield MlflowModel(path.parent.name or "model", str(place), _flavors(place))
    for link in _metas(folder / "outputs"):
        place = experiment.path / "models" / Path(str(link.get("destination_id"))).name
        meta = _meta(place / _META) if (place / _META).is_file() else {}
        location = str(meta.get("artifact_location") or place / "artifacts")
        yield MlflowModel(str(meta.get("name") or "model"), location, _flavors(place / "artifacts"))


def _flavors(folder: Path) -> tuple[str, ...]:
    """Return what can load a model; nothing where its description cannot be seen from here."""
    if not (folder / "MLmodel").is_file():
        return ()
    flavors = _meta(folder / "MLmodel").get("flavors")
    return tuple(sorted(map(str, flavors))) if isinstance(flavors, dict) else ()
