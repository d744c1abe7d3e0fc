"""Split rows into a training and a test set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.model import Need, Stage, StageKind, StageResult
from mistique_core.workflows.inputs import only_input, require_column


class SplitStage(Stage):
    """scikit-learn's ``train_test_split`` with a recorded seed.

    Parameters
    ----------
    test_size
        Share of rows in the test set, between 0 and 1 exclusive.
    seed
        Seed of the shuffle. ``None`` draws a seed each time, which is recorded; such a split is never reused.
    stratify
        Column whose class shares both sets keep, or ``None``.
    """

    kind = StageKind.SPLIT
    outputs = ("train", "test")

    def __init__(self, test_size: float = 0.25, seed: int | None = 0, stratify: str | None = None) -> None:
        if not 0 < test_size < 1:
            raise InvalidInputError(f"test_size={test_size!r} is not a share; give a number between 0 and 1")
        self.test_size = test_size
        self.seed = seed
        self.stratify = stratify
        self._used_seed = seed

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """See :class:`Stage`: which rows an output has is known from its row ids."""
        return dict.fromkeys(inputs, Need.ROWS)

    def execute_rows(self, output: str, inputs: Mapping[str, Any], learned: Mapping[str, Any]) -> pd.DataFrame:
        """See :class:`Stage`: a row of an output is the row of the input."""
        return only_input(inputs, "split")

    @property
    def deterministic(self) -> bool:
        """See :class:`Stage`."""
        return self.seed is not None

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"test_size": self.test_size, "seed": self.seed, "stratify": self.stratify}

    def facts(self) -> dict[str, Any]:
        """Return the seed that was really used, and the share of each output."""
        return {"seed": self._used_seed, "weights": [1 - self.test_size, self.test_size]}

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn")

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the frames ``train`` and ``test``; each row keeps its row id."""
        from sklearn.model_selection import train_test_split

        frame = only_input(inputs, "split")
        groups = None if self.stratify is None else require_column(frame, self.stratify, "stratify")
        if self.seed is None:
            self._used_seed = int(np.random.default_rng().integers(2**31))
        train, test = train_test_split(frame, test_size=self.test_size, random_state=self._used_seed, stratify=groups)
        return StageResult(frames={"train": train, "test": test})
