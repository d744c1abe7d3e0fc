"""Scale columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.transform import TransformStage

SCALERS = {
    "standard": "sklearn.preprocessing.StandardScaler",
    "minmax": "sklearn.preprocessing.MinMaxScaler",
    "robust": "sklearn.preprocessing.RobustScaler",
}
"""Method -> import path of scikit-learn's scaler."""


class ScaleStage(TransformStage):
    """Scale columns by what is learned on one input.

    Parameters
    ----------
    columns
        Columns of numbers; default all. They come first in the result, the others pass through.
    method
        ``standard`` (mean 0, deviation 1), ``minmax`` (0 to 1) or ``robust`` (median 0, quartile distance 1).
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    def __init__(
        self, columns: Sequence[str] | None = None, method: str = "standard", fit_on: str | None = None
    ) -> None:
        super().__init__(scaler_path(method), columns=columns, fit_on=fit_on)
        self.method = method

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"columns": self.columns, "method": self.method, "fit_on": self.fit_on}


def scaler_path(method: str) -> str:
    """Return the import path of a scaler.

    Raises
    ------
    InvalidInputError
        If there is no such method.
    """
    if method not in SCALERS:
        raise InvalidInputError(f"scaling method {method!r} is unknown; pass one of {', '.join(SCALERS)}")
    return SCALERS[method]
