"""What a search found, in numbers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistique_core.planner.plan import format_seconds
from mistique_core.store.report_text import as_text
from mistique_core.workflows.search.trial import Trial

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class SearchReport:
    """The trials of a search; its text is a table.

    Attributes
    ----------
    project, model, version
        The model version that records the search.
    objective, direction
        What was compared, and whether more or less of it is better.
    trials
        By number.
    best
        The best of those that are complete; of equal ones the first.
    executed, reused
        How many stages of the trials were executed, and how many took over the outputs of an equal one.
    refit
        ``project.model@version`` of the run with the best parameters, if there was one.
    """

    project: str
    model: str
    version: int
    objective: str
    direction: str
    trials: tuple[Trial, ...]
    best: Trial
    executed: int
    reused: int
    refit: str | None = None

    def table(self) -> Table:
        """Return the trials as a table for a terminal, the best first."""
        from rich.markup import escape
        from rich.table import Table

        names = list(self.best.params)
        made = Table(box=None, header_style="bold", pad_edge=False)
        made.add_column("TRIAL", justify="right")
        for name in names:
            made.add_column(escape(name), overflow="fold")
        for title in (escape(self.objective.rpartition(".")[2].upper()), "STD", "TIME"):
            made.add_column(title, justify="right")
        made.add_column("STATE")
        for trial in ranked(self.trials, self.direction):
            values = [escape(_shown(trial.params.get(name))) for name in names]
            made.add_row(
                str(trial.number),
                *values,
                "" if trial.objective is None else f"{trial.objective:.6g}",
                f"{_std(trial.folds):.3g}" if trial.objective is not None and trial.folds else "",
                "" if trial.seconds is None else format_seconds(trial.seconds),
                "best" if trial == self.best else escape(_state(trial)),
            )
        return made

    def summary(self) -> str:
        """Return the search in one or two lines."""
        states = Counter(trial.state for trial in self.trials)
        counted = ", ".join(f"{number} {state}" for state, number in states.items())
        chosen = " ".join(f"{name}={_shown(value)}" for name, value in self.best.params.items())
        text = (
            f"{self.project}.{self.model}@{self.version}: {len(self.trials)} trials ({counted}), {self.executed} "
            f"stages executed, {self.reused} reused\nbest: trial {self.best.number}, {self.objective} = "
            f"{self.best.objective:.6g} with {chosen}"
        )
        return text if self.refit is None else f"{text}; run again as {self.refit}"

    def __str__(self) -> str:
        return as_text(self.table(), self.summary())


def ranked(trials: tuple[Trial, ...], direction: str) -> list[Trial]:
    """Return trials with the best first, and those without an objective last, each by number."""
    sign = -1 if direction == "maximize" else 1
    return sorted(
        trials,
        key=lambda trial: (
            trial.objective is None,
            0.0 if trial.objective is None else sign * trial.objective,
            trial.number,
        ),
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else json.dumps(value)


def _std(values: tuple[float, ...]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5)


def _state(trial: Trial) -> str:
    return trial.state if trial.error is None else f"{trial.state}: {trial.error.splitlines()[0]}"
