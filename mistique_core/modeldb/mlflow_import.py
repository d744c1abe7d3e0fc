"""Import runs of MLflow from the files of a tracking store; importing again records what is new or has changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from mistique_core.catalogue.tables import experiment_run
from mistique_core.errors import CatalogueUnavailableError, MistiqueError, NotFoundError, did_you_mean
from mistique_core.maintenance import delete
from mistique_core.model.names import check_name
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
        MLflow's ``mlruns``, or the folder that holds it.
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
    InvalidInputError
        If the project cannot be used in keys.
    """
    check_name("project", project)
    experiments, wrong = list_experiments(tracking_folder(folder))
    report = MlflowReport(failed=[(str(path), str(error)) for path, error in wrong])
    if experiment is not None:
        names = [item.name for item in experiments]
        if experiment not in names:
            raise NotFoundError(f"there is no experiment {experiment!r}; {did_you_mean(experiment, names)}")
        experiments = [item for item in experiments if item.name == experiment]
    work: list[tuple[Path, MlflowExperiment]] = []
    for item in experiments:
        if item.is_deleted:
            report.skipped.append((f"experiment {item.name}", "it was deleted in MLflow"))
        else:
            work += [(run_folder, item) for run_folder in run_folders(item)]
    for done, (run_folder, item) in enumerate(work):
        if progress is not None:
            progress(done, len(work))
        try:
            run = read_run(run_folder, item)
            if run is None:
                report.skipped.append((f"run {run_folder.name}", "it was deleted in MLflow"))
            else:
                _record(store, run, project, report)
        except CatalogueUnavailableError:
            raise
        except MistiqueError as error:
            log.warning("run %s is not imported: %s", run_folder, error)
            report.failed.append((str(run_folder), str(error)))
    if progress is not None:
        progress(len(work), len(work))
    return report


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
