"""End a search: compare its trials, and record what was found with the search's own run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.entities import REFIT
from mistique_core.catalogue.lost_runs import fail_lost_parts
from mistique_core.catalogue.tables import experiment_run, model_version, stage
from mistique_core.errors import MistiqueError
from mistique_core.model import StageKind
from mistique_core.store import Mistique, Run
from mistique_core.workflows.search.history import read_trials
from mistique_core.workflows.search.report import SearchReport, ranked
from mistique_core.workflows.search.trial import RUNNING, Trial, refit_key, trial_prefix
from mistique_core.workflows.search.trial_run import search_of
from mistique_core.workflows.specification import SearchSpec, WorkflowSpec
from mistique_core.workflows.workflow_run import run_workflow

log = logging.getLogger(__name__)

STAGE = "search"


class SearchFailedError(MistiqueError, RuntimeError):
    """No trial of a search came to its end."""


def conclude_search(store: Mistique, spec: WorkflowSpec, run: Run, *, task_id: str | None = None) -> SearchReport:
    """Record the trials and the best of them as the event of the search; trials that still run were lost.

    Parameters
    ----------
    store
        The store.
    spec
        The workflow with its search.
    run
        The run of the search, of the model :func:`search_model`.
    task_id
        The task that does it, where there is one.

    Raises
    ------
    SearchFailedError
        If no trial is complete; the event is then recorded as failed.
    """
    search = search_of(spec)
    with store.catalogue.read() as connection:
        trials = read_trials(connection, run.key, search)
    if any(trial.state == RUNNING for trial in trials):
        with store.catalogue.write() as connection:
            fail_lost_parts(connection, run.key)
        with store.catalogue.read() as connection:
            trials = read_trials(connection, run.key, search)
    with run.event(
        STAGE,
        StageKind.GRID_SEARCH,
        "mistique_core.workflows.search.search_run:run_search",
        "Search",
        params=search.to_json(),
        task_id=task_id,
    ) as event:
        event.facts.update(
            {
                "method": search.method,
                "evaluator": search.objective,
                "direction": search.direction,
                "folds": search.folds,
                "seed": search.seed,
                "trials": [trial.to_json() for trial in trials],
                "best": None,
            }
        )
        best, objective = _best(search, trials)
        event.facts["best"] = best.number
        event.metrics[f"best_{search.metric}"] = objective
        event.hyperparameters.update(best.params)
    executed, reused = _counts(store, run, trials)
    return SearchReport(
        run.project,
        run.model,
        run.version,
        search.objective,
        search.direction,
        tuple(trials),
        best,
        executed,
        reused,
    )


def best_trial(store: Mistique, spec: WorkflowSpec, run: Run) -> Trial:
    """Return the best of the trials that are complete; of equal ones the first.

    Raises
    ------
    SearchFailedError
        If none is.
    """
    search = search_of(spec)
    with store.catalogue.read() as connection:
        return _best(search, read_trials(connection, run.key, search))[0]


def _best(search: SearchSpec, trials: list[Trial]) -> tuple[Trial, float]:
    first = ranked(tuple(trials), search.direction)[0] if trials else None
    if first is None or first.objective is None:
        raise SearchFailedError(_why(trials))
    return first, first.objective


def _why(trials: list[Trial]) -> str:
    errors = [f"trial {trial.number}: {trial.error}" for trial in trials if trial.error]
    if errors:
        return f"none of {len(trials)} trials came to its end; the first error is that of {errors[0]}"
    return f"none of {len(trials)} trials came to its end; look at the task that plans them"


def _counts(store: Mistique, run: Run, trials: list[Trial]) -> tuple[int, int]:
    """Return how many stages of the trials were executed, and how many were taken over."""
    query = (
        sa.select(sa.func.count(stage.c.id), sa.func.count(stage.c.reused_from))
        .select_from(stage.join(model_version).join(experiment_run))
        .where(
            experiment_run.c.source == run.key.source,
            experiment_run.c.dag_id == run.key.dag_id,
            experiment_run.c.run_id.startswith(trial_prefix(run.key), autoescape=True),
            stage.c.state == "success",
            stage.c.kind != StageKind.CROSS_VALIDATION.value,
        )
    )
    with store.catalogue.read() as connection:
        row = connection.execute(query).one()
    return int(row[0]) - int(row[1]), int(row[1])


def refit_best(
    store: Mistique,
    spec: WorkflowSpec,
    run: Run,
    best: Trial,
    *,
    parameters: Mapping[str, Any] | None = None,
    reuse: bool = True,
    progress: bool | None = None,
) -> str:
    """Run the whole workflow with the best parameters, as an ordinary version of its model.

    Parameters
    ----------
    store, spec, run
        As for :func:`conclude_search`.
    best
        The trial whose parameters are taken.
    parameters
        Values of parameters that were not searched, in place of those in the file.
    reuse
        Whether outputs of equal earlier stages may be taken over.
    progress
        Whether to draw a progress bar; ``None`` means only on a terminal.

    Returns
    -------
    str
        ``project.model@version``.
    """
    about = {"run_type": REFIT, "metadata": {"search": run.key.run_id, "trial": best.number}}
    report = run_workflow(
        store,
        spec,
        parameters={**(parameters or {}), **best.params},
        reuse=reuse,
        progress=progress,
        key=refit_key(run.key),
        about=about,
    )
    return f"{report.project}.{report.model}@{report.version}"
