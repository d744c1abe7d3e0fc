"""A search of a workflow's hyperparameters as its file specifies it (thesis 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.specification.search_space import SearchSpace

GRID, RANDOM, BAYESIAN = METHODS = ("grid", "random", "bayesian")
MAXIMIZE, MINIMIZE = DIRECTIONS = ("maximize", "minimize")
FOLD_OUTPUTS = TRAIN, TEST = ("train", "test")
MOST_TRIALS = 10_000

SEARCH_SCHEMA: dict[str, Any] = {
    "description": "How to look for the best hyperparameters",
    "type": "object",
    "properties": {
        "method": {"description": "grid: every combination; random; bayesian: learns from trials", "enum": [*METHODS]},
        "parameters": {
            "description": "Parameter -> the values that it may take",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"$ref": "#/$defs/searched"},
        },
        "objective": {"description": "What to compare by: metric, or stage.metric", "type": "string", "minLength": 1},
        "direction": {"description": "Default: what is better of a metric of Evaluate", "enum": [*DIRECTIONS]},
        "trials": {"description": "How many combinations are tried; not for grid", "type": "integer", "minimum": 1},
        "folds": {
            "description": "Cross-validate in so many folds of the training set; without it, trials use the test set",
            "type": "integer",
            "minimum": 2,
        },
        "split": {
            "description": "Stage whose outputs train and test the folds stand for; default the only TrainTestSplit",
            "type": "string",
            "minLength": 1,
        },
        "parallel": {
            "description": "Most trials at a time; default as many as Airflow runs, and one without Airflow",
            "type": "integer",
            "minimum": 1,
        },
        "seed": {"description": "Of the folds and of what is drawn", "type": "integer", "minimum": 0, "default": 0},
        "prune": {
            "description": "Whether to stop a trial whose folds so far are below the median; needs folds",
            "type": "boolean",
            "default": False,
        },
        "refit": {
            "description": "Whether to run the workflow with the best parameters in the end",
            "type": "boolean",
            "default": True,
        },
    },
    "required": ["method", "parameters", "objective"],
    "additionalProperties": False,
}
"""JSON schema of the key ``search``."""


@dataclass(frozen=True)
class SearchSpec:
    """A search.

    Attributes
    ----------
    method
        ``grid``, ``random`` or ``bayesian``.
    space
        What is searched.
    stage, metric
        The objective: a metric, and the stage that measures it.
    direction
        ``maximize`` or ``minimize``.
    trials
        Number of trials; of a grid the number of its cells.
    folds
        Number of folds of the cross-validation, or ``None``.
    split
        Stage whose training set is cross-validated; ``None`` without folds.
    parallel
        Most trials at a time; ``None`` if the file does not say.
    seed
        Of the folds and of what is drawn.
    prune
        Whether a trial ends after a fold if it is worse than the median of those that ended.
    refit
        Whether the workflow is run with the best parameters in the end.
    """

    method: str
    space: SearchSpace
    stage: str
    metric: str
    direction: str
    trials: int
    folds: int | None = None
    split: str | None = None
    parallel: int | None = None
    seed: int = 0
    prune: bool = False
    refit: bool = True

    @property
    def objective(self) -> str:
        """``stage.metric``."""
        return f"{self.stage}.{self.metric}"

    def with_trials(self, trials: int) -> SearchSpec:
        """Return the search with another number of trials.

        Raises
        ------
        InvalidInputError
            If the method, or the number of combinations, does not allow it.
        """
        problem = trials_problem(self.method, self.space, trials)
        if problem:
            raise InvalidInputError(problem)
        return replace(self, trials=trials)

    def is_better(self, value: float, than: float) -> bool:
        """Return whether one value of the objective is better than another."""
        return value > than if self.direction == MAXIMIZE else value < than

    def to_json(self) -> dict[str, Any]:
        """Return the search as JSON values."""
        return {
            "method": self.method,
            "parameters": self.space.to_json(),
            "objective": self.objective,
            "direction": self.direction,
            "trials": self.trials,
            "folds": self.folds,
            "split": self.split,
            "seed": self.seed,
            "prune": self.prune,
        }


def trials_problem(method: str, space: SearchSpace, trials: int | None) -> str | None:
    """Return what is wrong with a number of trials (``None``: not given), if anything."""
    cells = space.cells
    if method == GRID:
        if trials is not None:
            return f"a grid search tries every combination once, here {cells:,}; leave trials out, or use random"
        return None
    if trials is None:
        return f"a {method} search needs trials: how many combinations are tried"
    if trials > MOST_TRIALS:
        return f"trials={trials:,} is too many; give at most {MOST_TRIALS:,}"
    if method == RANDOM and cells is not None and trials > cells:
        return f"trials={trials:,} is more than the {cells:,} combinations that there are; use grid"
    return None


def fold_name(stage: str, fold: int) -> str:
    """Return the name of a stage in a fold, from 1."""
    return f"{stage}_fold{fold}"
