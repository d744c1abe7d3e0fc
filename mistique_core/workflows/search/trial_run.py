"""Run one trial of a search as an ExperimentRun of its own."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.entities import TRIAL, RunKey, save_run
from mistique_core.catalogue.named_lock import named_lock
from mistique_core.catalogue.tables import experiment_run
from mistique_core.engine.stage_runner import StageOutcome
from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import Ref, StageKind
from mistique_core.store import Mistique, Run
from mistique_core.workflows.search.fold_stage import FoldStage
from mistique_core.workflows.search.history import read_trials
from mistique_core.workflows.search.sampler import choose_parameters, should_prune
from mistique_core.workflows.search.trial import COMPLETE, FAILED, PRUNED, RUNNING, Trial, search_model, trial_key
from mistique_core.workflows.specification import SearchSpec, StageSpec, WorkflowSpec
from mistique_core.workflows.specification.search_spec import TRAIN, fold_name
from mistique_core.workflows.specification.stage_graph import dependents_of, needed_for
from mistique_core.workflows.workflow_run import Outputs, run_stage

CROSS_VALIDATION = "cross_validation"
_EVALUATE = "Evaluate"

Metrics = dict[str, Mapping[str, float]]
"""Stage -> its metrics."""


@dataclass
class _Trial:
    """What running the stages of a trial needs, and what it found out."""

    run: Run
    search: SearchSpec
    key: RunKey
    number: int
    params: Mapping[str, Any]
    reuse: bool
    task_id: str | None
    folds: list[float] = field(default_factory=list)
    state: str = COMPLETE


def run_trial(
    store: Mistique,
    spec: WorkflowSpec,
    key: RunKey,
    number: int,
    *,
    parameters: Mapping[str, Any] | None = None,
    reuse: bool = True,
    task_id: str | None = None,
) -> Trial:
    """Run a trial, and return it as it is recorded.

    What it tries is chosen and recorded before it runs: another try of the same trial takes the same. It runs the
    stages that the workflow's metrics come from. Of stages that are equal in several trials, also in those that run at
    the same time, one is executed.

    Parameters
    ----------
    store
        Where it logs to.
    spec
        The workflow, with its ``${...}`` and its search.
    key
        The run of the search.
    number
        The trial, from 1.
    parameters
        Values of parameters that are not searched, in place of those in the file.
    reuse
        Whether outputs of equal earlier stages may be taken over.
    task_id
        The task that runs it, where there is one.

    Raises
    ------
    InvalidInputError
        If there is no search, no such trial, or the objective was not measured.
    Exception
        Whatever a stage raises; the trial is then recorded as failed.
    """
    search = search_of(spec)
    with named_lock(store.catalogue, f"search {key}"):
        run, chosen = _begin(store, spec, search, key, number, parameters or {})
    resolved = spec.resolved({**(parameters or {}), **chosen})
    with run:
        trial = _Trial(run, search, key, number, chosen, reuse, task_id)
        try:
            _run_stages(store, trial, resolved)
        except BaseException:
            note(store, run, {"state": FAILED})
            raise
        note(store, run, {"state": trial.state})
    with store.catalogue.read() as connection:
        return next(item for item in read_trials(connection, key, search) if item.number == number)


def search_of(spec: WorkflowSpec) -> SearchSpec:
    """Return the search of a workflow.

    Raises
    ------
    InvalidInputError
        If its file has none.
    """
    if spec.search is None:
        raise InvalidInputError(f"workflow {spec.path.name} has no search; add the section search")
    return spec.search


def _begin(
    store: Mistique, spec: WorkflowSpec, search: SearchSpec, key: RunKey, number: int, parameters: Mapping[str, Any]
) -> tuple[Run, dict[str, Any]]:
    """Open the run of a trial, with the parameters that are recorded for it, or else chosen now."""
    with store.catalogue.read() as connection:
        trials = {trial.number: trial for trial in read_trials(connection, key, search)}
    known = trials.pop(number, None)
    if known is not None and known.params:
        chosen = dict(known.params)
    else:
        chosen = choose_parameters(search, number, list(trials.values()))
    about = {"search": key.run_id, "trial": number, "state": RUNNING, "parameters": chosen}
    facts = {
        "run_type": TRIAL,
        "params": spec.values({**parameters, **chosen}),
        "environment": {"python": platform.python_version(), "host": platform.node(), "workflow": spec.facts()},
        "metadata": about,
    }
    policy = spec.materialization.to_json()
    run = store.run(spec.project, search_model(spec.model), key=trial_key(key, number), facts=facts, policy=policy)
    with store.catalogue.write() as connection:
        save_run(connection, run.key, overwrite=True, state=RUNNING)
    note(store, run, about)
    return run, chosen


def note(store: Mistique, run: Run, changes: Mapping[str, Any]) -> None:
    """Change some keys of a run's metadata, and leave alone what others wrote there."""
    with store.catalogue.write() as connection:
        this = experiment_run.c.id == run.id
        known = connection.scalar(sa.select(experiment_run.c.metadata).where(this).with_for_update())
        connection.execute(sa.update(experiment_run).where(this).values(metadata={**(known or {}), **changes}))


def _run_stages(store: Mistique, trial: _Trial, spec: WorkflowSpec) -> None:
    search = trial.search
    wanted = {search.stage, *(stage.name for stage in spec.stages if stage.operator == _EVALUATE)}
    inside: set[str] = set()
    if search.split is not None:
        inside = dependents_of(spec.stages, search.split)
        wanted &= inside
    needed = needed_for(spec.stages, wanted)
    outputs: Outputs = {}
    for stage in spec.stages:
        if stage.name in needed and stage.name not in inside:
            outcome = _run_stage(trial, stage, outputs)
            if stage.name == search.stage:
                _objective(search, outcome.metrics)
    if search.split is not None:
        stages = [stage for stage in spec.stages if stage.name in needed & inside]
        split = next(stage for stage in spec.stages if stage.name == search.split)
        _cross_validate(store, trial, split, stages, outputs)


def _run_stage(
    trial: _Trial, stage: StageSpec, outputs: Outputs, *, name: str | None = None, parent_id: int | None = None
) -> StageOutcome:
    outcome = run_stage(
        trial.run,
        stage,
        outputs,
        name=name,
        reuse=trial.reuse,
        wait_for_equal=True,
        parent_id=parent_id,
        task_id=trial.task_id,
    )
    outputs[stage.name] = outcome.outputs
    return outcome


def _objective(search: SearchSpec, metrics: Mapping[str, float]) -> float:
    if search.metric not in metrics:
        hint = did_you_mean(search.metric, metrics) if metrics else "it measured nothing"
        raise InvalidInputError(f"stage {search.stage!r} did not measure the objective {search.metric!r}; {hint}")
    return metrics[search.metric]


def _cross_validate(
    store: Mistique, trial: _Trial, split: StageSpec, stages: Sequence[StageSpec], outputs: Outputs
) -> None:
    """Run the stages after the split once a fold of its training set, as parts of one event."""
    search = trial.search
    assert search.folds is not None
    rows: Ref = outputs[split.name][TRAIN]
    settings = {"folds": search.folds, "seed": search.seed, "split": split.name, "evaluator": search.objective}
    name = _free_name(CROSS_VALIDATION, [stage.name for stage in (*stages, split)], outputs)
    with trial.run.event(
        name,
        StageKind.CROSS_VALIDATION,
        f"{__name__}:run_trial",
        "CrossValidation",
        params=settings,
        inputs={"data": rows},
        task_id=trial.task_id,
    ) as event:
        event.hyperparameters.update(trial.params)
        measured: list[Metrics] = []
        for fold in range(1, search.folds + 1):
            measured.append(_run_fold(trial, split, stages, outputs, fold, event.id))
            trial.folds.append(_objective(search, measured[-1].get(search.stage, {})))
            if search.prune and fold < search.folds and _is_hopeless(store, trial):
                trial.state = PRUNED
                break
        event.facts.update({"folds": search.folds, "seed": search.seed, "evaluator": search.objective})
        if trial.state == PRUNED:  # means over some of the folds would pass for those over all
            event.facts["pruned_after"] = len(measured)
        else:
            event.metrics.update(mean_metrics(measured))


def _free_name(name: str, *taken: Any) -> str:
    while any(name in names for names in taken):
        name += "_"
    return name


def _run_fold(
    trial: _Trial, split: StageSpec, stages: Sequence[StageSpec], outputs: Outputs, fold: int, event_id: int
) -> Metrics:
    search = trial.search
    assert search.folds is not None
    stage = FoldStage(fold, search.folds, search.seed, split.params.get("stratify"))
    made = trial.run.stage(
        fold_name(split.name, fold),
        stage,
        {"data": outputs[split.name][TRAIN]},
        reuse=trial.reuse,
        wait_for_equal=True,
        parent_id=event_id,
        task_id=trial.task_id,
    )
    of_fold = {**outputs, split.name: made.outputs}
    metrics: Metrics = {}
    for item in stages:
        outcome = _run_stage(trial, item, of_fold, name=fold_name(item.name, fold), parent_id=event_id)
        metrics[item.name] = outcome.metrics
    return metrics


def _is_hopeless(store: Mistique, trial: _Trial) -> bool:
    with store.catalogue.read() as connection:
        others = [item for item in read_trials(connection, trial.key, trial.search) if item.number != trial.number]
    return should_prune(trial.search, trial.params, trial.folds, others)


def mean_metrics(folds: Sequence[Metrics]) -> dict[str, float]:
    """Return the mean of each metric over the folds, and ``<name>_std``, the standard deviation of the folds.

    A metric that several stages have is called ``stage.metric``; one that a fold lacks is left out.
    """
    first = folds[0]
    uses = Counter(name for metrics in first.values() for name in metrics)
    found = {}
    for stage, metrics in first.items():
        for name in metrics:
            values = [fold.get(stage, {}).get(name) for fold in folds]
            if None in values:
                continue
            label = name if uses[name] == 1 else f"{stage}.{name}"
            found[label] = float(np.mean(values))  # type: ignore[arg-type]
            found[f"{label}_std"] = float(np.std(values))  # type: ignore[arg-type]
    return found
