"""One fold of a cross-validation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.model import Need, Stage, StageKind, StageResult
from mistique_core.workflows.inputs import only_input, require_column


class FoldStage(Stage):
    """The rows of one fold as ``test`` and all others as ``train``, as scikit-learn's shuffled folds.

    Parameters
    ----------
    fold
        Which one, from 1.
    folds
        How many there are.
    seed
        Seed of the shuffle.
    stratify
        Column whose class shares every fold keeps, or ``None``.
    """

    kind = StageKind.SPLIT
    outputs = ("train", "test")

    def __init__(self, fold: int, folds: int, seed: int = 0, stratify: str | None = None) -> None:
        if not 1 <= fold <= folds or folds < 2:
            raise InvalidInputError(f"fold {fold} of {folds} does not exist; give 1 to {folds}, of at least 2")
        self.fold = fold
        self.folds = folds
        self.seed = seed
        self.stratify = stratify

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """See :class:`Stage`: which rows an output has is known from its row ids."""
        return dict.fromkeys(inputs, Need.ROWS)

    def execute_rows(self, output: str, inputs: Mapping[str, Any], learned: Mapping[str, Any]) -> pd.DataFrame:
        """See :class:`Stage`: a row of an output is the row of the input."""
        return only_input(inputs, "fold")

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"fold": self.fold, "folds": self.folds, "seed": self.seed, "stratify": self.stratify}

    def facts(self) -> dict[str, Any]:
        """Return the seed, and the share of each output."""
        return {"seed": self.seed, "weights": [1 - 1 / self.folds, 1 / self.folds]}

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn")

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frames ``train`` and ``test`` in the order of the input; each row keeps its row id."""
        from sklearn.model_selection import KFold, StratifiedKFold

        frame = only_input(inputs, "fold")
        groups = None if self.stratify is None else require_column(frame, self.stratify, "stratify")
        kind = KFold if groups is None else StratifiedKFold
        made = kind(self.folds, shuffle=True, random_state=self.seed)
        train, test = list(made.split(frame, groups))[self.fold - 1]
        return StageResult(frames={"train": frame.iloc[train], "test": frame.iloc[test]})
