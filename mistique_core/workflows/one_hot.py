"""One column of zeros and ones a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.categories import Category, codes_of, sorted_categories
from mistique_core.workflows.column_views import view_columns, with_columns
from mistique_core.workflows.inputs import require_column
from mistique_core.workflows.learning import LearningStage


class OneHotEncodingStage(LearningStage):
    """Add a uint8 column ``<column>_<category>`` for each category of some columns; ``kind_3`` for the category 3.0.

    The categories are the values of the input to learn from, in ascending order. A missing value and one
    that was not seen there have 0 in all columns. The new columns follow the others, which are not copied.

    Parameters
    ----------
    columns
        Columns of texts, numbers or booleans; a single name may be given as a text.
    max_categories
        Keep only so many categories a column, the most frequent ones; default all.
    keep
        Whether the encoded columns stay.
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    learns = ("categories",)

    def __init__(
        self,
        columns: Sequence[str] | str,
        max_categories: int | None = None,
        keep: bool = False,
        fit_on: str | None = None,
    ) -> None:
        super().__init__(fit_on)
        self.columns = [columns] if isinstance(columns, str) else list(columns)
        if max_categories is not None and max_categories < 1:
            raise InvalidInputError(f"max_categories={max_categories!r} keeps nothing; pass at least 1, or null")
        self.max_categories = max_categories
        self.keep = keep

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "columns": self.columns,
            "max_categories": self.max_categories,
            "keep": self.keep,
            "fit_on": self.fit_on,
        }

    def learn(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return column name -> categories."""
        return {
            name: sorted_categories(require_column(frame, name, "encoded"), self.max_categories)
            for name in self.columns
        }

    def apply(self, frame: pd.DataFrame, learned: Any) -> pd.DataFrame:
        """See :class:`LearningStage`.

        Raises
        ------
        InvalidInputError
            If a column does not exist, or one of a new column's name does.
        """
        new: dict[str, Any] = {}
        for name in self.columns:
            codes = codes_of(require_column(frame, name, "encoded"), learned[name])
            for position, category in enumerate(learned[name]):
                title = f"{name}_{_shown(category)}"
                if title in new:
                    raise InvalidInputError(f"two categories would give the column {title!r}; rename a column before")
                new[title] = (codes == position).astype(np.uint8)
        kept = [str(name) for name in frame.columns if self.keep or name not in set(self.columns)]
        return with_columns(view_columns(frame, kept, "kept"), new, what="one-hot encoding")


def _shown(category: Category) -> Category:
    """Return a category as it stands in a column's name: whole numbers without a point."""
    return int(category) if isinstance(category, float) and category.is_integer() else category
