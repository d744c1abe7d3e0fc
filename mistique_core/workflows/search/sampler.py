"""Choose the parameters of a trial: by its number, by chance, or from the trials before it.

Optuna keeps nothing: what it is to know is told to it anew from the catalogue for each trial.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.search.trial import COMPLETE, PRUNED, RUNNING, Trial
from mistique_core.workflows.specification import SearchedValues, SearchSpec
from mistique_core.workflows.specification.search_spec import GRID, RANDOM

log = logging.getLogger(__name__)

FIRST_BY_CHANCE = 10
"""Most trials of a Bayesian search that are drawn by chance before it learns; of short ones a third."""
FIRST_NEVER_PRUNED = 3


def choose_parameters(search: SearchSpec, number: int, history: Sequence[Trial]) -> dict[str, Any]:
    """Return parameter -> value for a trial.

    Parameters
    ----------
    search
        The search.
    number
        The trial, from 1. A grid's is a cell, and a random one depends on it and on the seed alone.
    history
        The trials that have begun, of which a Bayesian search learns; those that still run count as bad ones, so that
        trials at the same time differ.

    Raises
    ------
    InvalidInputError
        If there is no trial of that number, or Optuna is not installed and is needed.
    """
    if not 1 <= number <= search.trials:
        raise InvalidInputError(f"trial {number} does not exist; give 1 to {search.trials}")
    cells = search.space.cells
    if search.method == GRID:
        return search.space.cell(number - 1)
    if search.method == RANDOM and cells is not None:  # no combination twice
        drawn = random.Random(search.seed).sample(range(cells), search.trials)  # noqa: S311 (no secret)
        return search.space.cell(drawn[number - 1])
    with _optuna() as optuna:
        if search.method == RANDOM:
            sampler = optuna.samplers.RandomSampler(seed=search.seed + number)
        else:
            first = min(FIRST_BY_CHANCE, max(1, search.trials // 3))
            sampler = optuna.samplers.TPESampler(seed=search.seed + number, n_startup_trials=first, constant_liar=True)
        study = _study(optuna, search, history, sampler=sampler)
        asked = study.ask({name: _distribution(optuna, values) for name, values in search.space.parameters.items()})
        return {name: _value(values, asked.params[name]) for name, values in search.space.parameters.items()}


def should_prune(
    search: SearchSpec, params: Mapping[str, Any], folds: Sequence[float], history: Sequence[Trial]
) -> bool:
    """Return whether a trial should stop: its best mean over the folds so far is worse than the median of others.

    Parameters
    ----------
    search
        The search.
    params
        The trial's parameters.
    folds
        Its objective in the folds that have ended, at least one.
    history
        The other trials; those that are complete count, from three on.
    """
    with _optuna() as optuna:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=FIRST_NEVER_PRUNED)
        study = _study(optuna, search, history, pruner=pruner)
        trial = _as_optuna(optuna, search, Trial(0, "", params, RUNNING, tuple(folds)))
        return trial is not None and bool(pruner.prune(study, trial))


def _study(optuna: Any, search: SearchSpec, history: Sequence[Trial], **kwargs: Any) -> Any:
    study = optuna.create_study(direction=search.direction, **kwargs)
    for trial in history:
        told = _as_optuna(optuna, search, trial)
        if told is not None:
            study.add_trial(told)
    return study


def _as_optuna(optuna: Any, search: SearchSpec, trial: Trial) -> Any | None:
    """Return a trial as Optuna's; ``None`` if nothing can be learned from it."""
    state = optuna.trial.TrialState
    states = {COMPLETE: state.COMPLETE, PRUNED: state.PRUNED, RUNNING: state.RUNNING}
    if trial.state not in states or (trial.state == COMPLETE and trial.objective is None):
        return None
    spaces = search.space.parameters
    known = {name: _internal(values, trial.params.get(name)) for name, values in spaces.items()}
    if None in known.values():
        log.info("trial %d is not of this search space, and is passed over", trial.number)
        return None
    running_means = [sum(trial.folds[: end + 1]) / (end + 1) for end in range(len(trial.folds))]
    return optuna.trial.create_trial(
        params=known,
        distributions={name: _distribution(optuna, values) for name, values in spaces.items()},
        value=trial.objective if trial.state == COMPLETE else None,
        state=states[trial.state],
        intermediate_values=dict(enumerate(running_means, start=1)),
    )


def _distribution(optuna: Any, values: SearchedValues) -> Any:
    """Return what a parameter is for Optuna: a range, or the position among values, which are ordered if numbers."""
    kinds = optuna.distributions
    if values.size is None and values.integer:
        return kinds.IntDistribution(int(values.low), int(values.high), log=values.log)
    if values.size is None:
        return kinds.FloatDistribution(float(values.low), float(values.high), log=values.log)
    if values.values is None or _are_numbers(values.values):
        return kinds.IntDistribution(0, values.size - 1)
    return kinds.CategoricalDistribution(tuple(range(values.size)))


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _ordered(values: Sequence[Any]) -> list[Any]:
    return sorted(values) if _are_numbers(values) else list(values)


def _value(values: SearchedValues, internal: Any) -> Any:
    """Return the value that stands for what Optuna chose."""
    if values.size is None:
        return int(internal) if values.integer else float(internal)
    if values.values is None:
        return values.at(int(internal))
    return _ordered(values.values)[int(internal)]


def _internal(values: SearchedValues, value: Any) -> Any | None:
    """Return what stands for a value for Optuna; ``None`` if it is none of the values."""
    if values.values is not None:
        return next((n for n, item in enumerate(_ordered(values.values)) if repr(item) == repr(value)), None)
    if not isinstance(value, (int, float)) or not values.low <= value <= values.high:
        return None
    if values.size is None:
        return value
    position = round((value - values.low) / (values.step or 1))
    return position if 0 <= position < values.size and values.at(position) == value else None


@contextmanager
def _optuna() -> Iterator[Any]:
    """Yield Optuna, which otherwise announces every study."""
    try:
        import optuna
    except ImportError as error:
        raise InvalidInputError(
            "this search needs Optuna; install 'mistique-airflow[search]', or use a grid, or values to choose from"
        ) from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(before)
