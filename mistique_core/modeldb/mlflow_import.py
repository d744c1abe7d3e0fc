"""Import runs of MLflow from a tracking store, files or SQLite; importing again records what is new or has changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from mistique_core.catalogue.tables import experiment_run
from mistique_core.errors import CatalogueUnavailableError, MistiqueError, NotFoundError, did_you_mean
from mistique_core.maintenance import delete
from mistique_core.model.names import check_name
from mistique_core.modeldb.mlflow_database import MlflowDatabase
from mistique_core.modeldb.mlflow_events import MLFLOW, whole_run
from mistique_core.modeldb.mlflow_files import (
    MlflowExperiment,
    list_experiments,
    read_run,
    run_folders,
    tracking_folder,
)
from mistique_core.modeldb.mlflow_run import MlflowRun
from mistique_core.modeldb.records import VersionLabel
from mistique_core.modeldb.whole_run import record_whole_run, recorded_versions
from mistique_core.store import Mistique

log = logging.getLogger(__name__)

DEFAULT_PROJECT = "mlflow"
DATABASE = "mlflow.db"
"""Name that MLflow gives to the file of its own accord."""
_DELETED = "it was deleted in MLflow"

Progress = Callable[[int, int], None]


@dataclass
class MlflowReport:
    """What became of the runs of a tracking store.

    Attributes
    ----------
    recorded, changed, unchanged
        Run id -> model version: of runs that were new; that were recorded and have changed since, and are recorded
        anew; that were recorded as they are.
    skipped
        (run or experiment, why): those that were deleted in MLflow.
    failed
        (folder, why): those that cannot be read; nothing of them is recorded.
    """

    recorded: dict[str, VersionLabel] = field(default_factory=dict)
    changed: dict[str, VersionLabel] = field(default_factory=dict)
    unchanged: dict[str, VersionLabel] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def import_mlflow(
    store: Mistique,
    folder: str | os.PathLike[str],
    *,
    project: str = DEFAULT_PROJECT,
    experiment: str | None = None,
    progress: Progress | None = None,
) -> MlflowReport:
    """Record the runs of a tracking store, each in one transaction.

    Parameters
    ----------
    store
        Where to record them.
    folder
        MLflow's ``mlruns``, its SQLite file, or the folder that holds one of them.
    project
        What they belong to. Each of MLflow's experiments becomes one of ours and a model, of which its runs are
        versions.
    experiment
        Only the runs of this one; default all.
    progress
        Told (done, total) runs.

    Raises
    ------
    NotFoundError
        If the folder is no tracking store, or has no such experiment.
    MlflowFormatError
        If a file is no database of MLflow's.
    InvalidInputError
        If the project cannot be used in keys.
    """
    check_name("project", project)
    report = MlflowReport()
    place = find_tracking_store(folder)
    with ExitStack() as opened:
        if place.is_file():
            database = MlflowDatabase(place)
            opened.callback(database.close)
            experiments = _chosen(database.experiments(), experiment, report)
            work = [
                _Work(run_id, f"{place}: run {run_id}", partial(database.read_run, run_id, item))
                for item in experiments
                for run_id in database.run_ids(item)
            ]
        else:
            found, wrong = list_experiments(place)
            report.failed += [(str(path), str(error)) for path, error in wrong]
            work = [
                _Work(path.name, str(path), partial(read_run, path, item))
                for item in _chosen(found, experiment, report)
                for path in run_folders(item)
            ]
        for done, item in enumerate(work):
            if progress is not None:
                progress(done, len(work))
            _import_one(store, item, project, report)
    if progress is not None:
        progress(len(work), len(work))
    return report


@dataclass(frozen=True)
class _Work:
    """A run to import: its id, where it is, and what reads it."""

    run_id: str
    place: str
    read: Callable[[], MlflowRun | None]


def find_tracking_store(folder: str | os.PathLike[str]) -> Path:
    """Return the tracking store that a path names: a folder of experiments, or a SQLite file.

    Raises
    ------
    NotFoundError
        If it is neither, and holds neither ``mlruns`` nor ``mlflow.db``.
    """
    path = Path(os.fspath(folder).removeprefix("sqlite:///"))
    if path.is_file():
        return path
    try:
        return tracking_folder(path)
    except NotFoundError:
        if (path / DATABASE).is_file():
            return path / DATABASE
        raise


def _chosen(experiments: list[MlflowExperiment], wanted: str | None, report: MlflowReport) -> list[MlflowExperiment]:
    """Return the experiments to import; deleted ones are noted."""
    names = [item.name for item in experiments]
    if wanted is not None and wanted not in names:
        raise NotFoundError(f"there is no experiment {wanted!r}; {did_you_mean(wanted, names)}")
    found = [item for item in experiments if wanted in (None, item.name)]
    report.skipped += [(f"experiment {item.name}", _DELETED) for item in found if item.is_deleted]
    return [item for item in found if not item.is_deleted]


def _import_one(store: Mistique, work: _Work, project: str, report: MlflowReport) -> None:
    try:
        run = work.read()
        if run is None:
            report.skipped.append((f"run {work.run_id}", _DELETED))
        else:
            _record(store, run, project, report)
    except CatalogueUnavailableError:
        raise
    except MistiqueError as error:
        log.warning("%s is not imported: %s", work.place, error)
        report.failed.append((work.place, str(error)))


def _record(store: Mistique, run: MlflowRun, project: str, report: MlflowReport) -> None:
    """Record a run unless it is recorded as it is; one that has changed is taken out first."""
    with store.catalogue.read() as connection:
        known = recorded_versions(connection, MLFLOW, [run.run_id]).get(run.run_id)
        query = sa.select(experiment_run.c.metadata, experiment_run.c.dag_id).where(
            experiment_run.c.source == MLFLOW, experiment_run.c.run_id == run.run_id
        )
        row = connection.execute(query).first()
    if known is None:
        report.recorded[run.run_id] = record_whole_run(store.catalogue, whole_run(run, project))
        return
    assert row is not None
    if (row.metadata or {}).get(MLFLOW, {}).get("digest") == run.digest():
        report.unchanged[run.run_id] = known
        return
    # It stays where it is, also if it is imported into another project now.
    new = whole_run(run, known.project, model=known.model)
    delete(store.catalogue, known.project, known.model, version=known.version, force=True)
    report.changed[run.run_id] = record_whole_run(store.catalogue, new)
