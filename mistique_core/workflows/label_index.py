"""Texts as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.workflows.categories import codes_of, sorted_categories
from mistique_core.workflows.column_views import with_columns
from mistique_core.workflows.inputs import require_column
from mistique_core.workflows.learning import LearningStage


class LabelIndexStage(LearningStage):
    """Replace each value by its int32 position among the sorted values of the input to learn from.

    A missing value, and one that was not seen there, becomes -1. The other columns are not copied.

    Parameters
    ----------
    columns
        Columns of texts, numbers or booleans; a single name may be given as a text.
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    learns = ("categories",)

    def __init__(self, columns: Sequence[str] | str, fit_on: str | None = None) -> None:
        super().__init__(fit_on)
        self.columns = [columns] if isinstance(columns, str) else list(columns)

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"columns": self.columns, "fit_on": self.fit_on}

    def learn(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return column name -> its values in ascending order."""
        return {name: sorted_categories(require_column(frame, name, "indexed")) for name in self.columns}

    def apply(self, frame: pd.DataFrame, learned: Any) -> pd.DataFrame:
        """See :class:`LearningStage`."""
        new = {
            name: codes_of(require_column(frame, name, "indexed"), learned[name]).astype(np.int32)
            for name in self.columns
        }
        return with_columns(frame, new, replace=self.columns, what="label index")
