"""Read what a model was fitted on block by block, as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK_ROWS = 16_384
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FitQuality:
    """How well a regression fits the rows that it was fitted on.

    Attributes
    ----------
    rmse, explained_variance, r2
        As scikit-learn defines them, the mean over several outputs.
    residual_sums
        Sum of squared residuals of each output, shape (n_outputs,).
    """

    rmse: float
    explained_variance: float
    r2: float
    residual_sums: _Floats


class NumericBlocks:
    """Rows of numbers, one block of 16,384 at a time; nothing is copied as a whole.

    Parameters
    ----------
    X
        Frame or array, shape (n_rows, n_features), numbers only.
    y
        Array of shape (n_rows,) or (n_rows, n_outputs), numbers only; ``None`` where it is not known.
    """

    def __init__(self, X: Any, y: npt.NDArray[Any] | None) -> None:
        self.X = X
        self.y = y
        self.rows, self.columns = X.shape

    @classmethod
    def of(cls, X: Any, y: Any) -> NumericBlocks | None:
        """Return blocks of `X` and `y`, or ``None`` where `X` is not known, is sparse, or holds more than numbers."""
        if len(getattr(X, "shape", ())) != 2 or not _is_numeric(X):
            return None
        target = None
        if y is not None and len(getattr(y, "shape", ())) in (1, 2) and len(y) == len(X):
            target = np.asarray(y)
        return cls(X, target)

    def __iter__(self) -> Iterator[tuple[slice, _Floats]]:
        for start in range(0, self.rows, _BLOCK_ROWS):
            rows = slice(start, min(start + _BLOCK_ROWS, self.rows))
            yield rows, self.take(rows)

    def take(self, rows: slice) -> _Floats:
        """Return some rows as float64, shape (n_rows, n_features)."""
        part = self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]
        return np.asarray(part, dtype=np.float64)

    def targets(self) -> _Floats | None:
        """Return the labels as float64 of shape (n_rows, n_outputs), or ``None`` where they are no numbers."""
        if self.y is None or self.y.dtype.kind not in "biuf":
            return None
        return self.y.reshape(self.rows, -1).astype(np.float64)

    def residuals(self, coefficients: _Floats, intercepts: _Floats) -> FitQuality | None:
        """Return how well a linear model fits; ``None`` where the labels are no numbers.

        Parameters
        ----------
        coefficients, intercepts
            Shapes (n_outputs, n_features) and (n_outputs,).
        """
        y = self.targets()
        if y is None or y.shape[1] != len(coefficients):
            return None
        residual = y.copy()
        for rows, block in self:
            residual[rows] -= block @ coefficients.T + intercepts
        return fit_quality(y, residual)


def fit_quality(y: _Floats, residual: _Floats) -> FitQuality:
    """Return how small the residuals of labels are, both of shape (n_rows, n_outputs)."""
    sums = np.square(residual).sum(axis=0)
    total = np.square(y - y.mean(axis=0)).sum(axis=0)
    spread = np.square(residual - residual.mean(axis=0)).sum(axis=0)
    rmse = float(np.sqrt(sums / len(y)).mean())
    return FitQuality(rmse, float(_share_explained(spread, total)), float(_share_explained(sums, total)), sums)


def _share_explained(left: _Floats, total: _Floats) -> np.floating[Any]:
    """Return one minus the share that is left; of a constant label all, or nothing, is explained."""
    share = np.divide(left, total, out=np.where(left == 0, 0.0, 1.0), where=total > 0)
    return np.mean(1.0 - share)


def _is_numeric(X: Any) -> bool:
    if hasattr(X, "dtypes") and hasattr(X, "iloc"):
        return all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in X.dtypes)
    return isinstance(X, np.ndarray) and X.dtype.kind in "biuf"


def is_standardized(X: Any) -> bool | None:
    """Return whether every column has mean 0 and standard deviation 1; ``None`` where `X` holds more than numbers.

    The first column that has not ends the search.
    """
    if len(getattr(X, "shape", ())) != 2 or not _is_numeric(X) or not len(X):
        return None
    for number in range(X.shape[1]):
        column = np.asarray(X.iloc[:, number] if hasattr(X, "iloc") else X[:, number], dtype=np.float64)
        if abs(column.mean()) > 1e-6 or abs(column.std() - 1.0) > 1e-3:
            return False
    return True
