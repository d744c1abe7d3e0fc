"""A trial of a search, and how the runs of a search are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mistique_core.catalogue.entities import RunKey

RUNNING, COMPLETE, PRUNED, FAILED = "running", "complete", "pruned", "failed"
"""States of a trial. The run of a trial that was pruned has succeeded."""

MODEL_SUFFIX = "_search"


@dataclass(frozen=True)
class Trial:
    """A trial as it is recorded.

    Attributes
    ----------
    number
        From 1.
    run_id
        Of its ExperimentRun, whose ``dag_id`` is that of the search.
    params
        Searched parameter -> the value that was chosen.
    state
        ``running``, ``complete``, ``pruned`` or ``failed``.
    folds
        The objective in each fold that has ended, in order; empty without folds.
    objective
        What it reached: the mean of its folds; ``None`` unless it is complete.
    seconds
        From its start to its end; ``None`` while it runs.
    error
        Why it failed.
    """

    number: int
    run_id: str
    params: Mapping[str, Any]
    state: str
    folds: tuple[float, ...] = ()
    objective: float | None = None
    seconds: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what a search records of it: JSON values."""
        return {
            "number": self.number,
            "run": self.run_id,
            "params": dict(self.params),
            "objective": self.objective,
            "state": self.state,
        }


def search_model(model: str) -> str:
    """Return the model whose versions a search and its trials are, so that those of `model` stay what they were."""
    return f"{model}{MODEL_SUFFIX}"


def trial_key(search: RunKey, number: int) -> RunKey:
    """Return the key of a trial's run: the same for every try of it."""
    return RunKey(search.source, search.dag_id, f"{trial_prefix(search)}{number}")


def trial_prefix(search: RunKey) -> str:
    """Return what the run ids of all trials of a search begin with, before the number."""
    return f"{search.run_id}/trial-"


def refit_key(search: RunKey) -> RunKey:
    """Return the key of the run with the best parameters."""
    return RunKey(search.source, search.dag_id, f"{search.run_id}/refit")
