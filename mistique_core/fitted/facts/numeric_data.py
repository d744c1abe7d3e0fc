"""What a model was fitted on, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

_SAMPLE_ROWS = 4_096
_CLOSE, _CLOSE_IN_SAMPLE, _FAR = 0.02, 0.05, 0.3


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


class NumericData:
    """Columns of numbers, and a label; copied at most once, and only if they are asked for as a matrix.

    Parameters
    ----------
    X
        Frame or array, shape (n_rows, n_features), numbers only.
    y
        Array of shape (n_rows,) or (n_rows, n_outputs); ``None`` where it is not known.
    """

    def __init__(self, X: Any, y: npt.NDArray[Any] | None) -> None:
        self.X = X
        self.y = y
        self.rows, self.columns = X.shape

    @classmethod
    def of(cls, X: Any, y: Any) -> NumericData | None:
        """Return `X` and `y`, or ``None`` where `X` is not known, is sparse, or holds more than numbers."""
        if len(getattr(X, "shape", ())) != 2 or not X.shape[0] or not _is_numeric(X):
            return None
        target = None
        if y is not None and len(getattr(y, "shape", ())) in (1, 2) and len(y) == len(X):
            target = np.asarray(y)
        return cls(X, target)

    @cached_property
    def matrix(self) -> _Floats:
        """The columns as float64, shape (n_rows, n_features): `X` itself where it is that."""
        if hasattr(self.X, "to_numpy"):
            found: _Floats = self.X.to_numpy(dtype=np.float64)
            return found
        return np.asarray(self.X, dtype=np.float64)

    def targets(self) -> _Floats | None:
        """Return the labels as float64 of shape (n_rows, n_outputs), or ``None`` where they are no numbers."""
        if self.y is None or self.y.dtype.kind not in "biuf":
            return None
        return self.y.reshape(self.rows, -1).astype(np.float64)

    def fit_quality(self, coefficients: _Floats, intercepts: _Floats) -> FitQuality | None:
        """Return how well a linear model fits; ``None`` where the labels are no numbers, or of another shape.

        Parameters
        ----------
        coefficients, intercepts
            Shapes (n_outputs, n_features) and (n_outputs,).
        """
        y = self.targets()
        if y is None or y.shape[1] != len(coefficients):
            return None
        residual = y - (self.matrix @ coefficients.T + intercepts)
        sums = np.einsum("ij,ij->j", residual, residual)
        total = self.rows * y.var(axis=0)
        spread = sums - self.rows * np.square(residual.mean(axis=0))
        rmse = float(np.sqrt(sums / self.rows).mean())
        return FitQuality(rmse, _share_explained(spread, total), _share_explained(sums, total), sums)

    @cached_property
    def is_standardized(self) -> bool:
        """Whether every column has mean 0 and standard deviation 1.

        Some thousand rows tell it for most columns; where they leave a doubt, all rows are looked at.
        """
        rows = slice(None, None, max(1, self.rows // _SAMPLE_ROWS))
        part = self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]
        sample = np.array(part, dtype=np.float64, order="F")
        means = sample.mean(axis=0)
        sample -= means
        spread = np.sqrt(np.einsum("ij,ij->j", sample, sample) / len(sample))
        off = np.maximum(np.abs(means), np.abs(spread - 1.0))
        if np.any(off > _FAR):
            return False
        return all(self._is_standard(int(number)) for number in np.flatnonzero(~(off <= _CLOSE_IN_SAMPLE)))

    def _is_standard(self, number: int) -> bool:
        column = np.asarray(self.X.iloc[:, number] if hasattr(self.X, "iloc") else self.X[:, number], dtype=np.float64)
        mean = column.mean()
        if not abs(mean) <= _CLOSE:
            return False
        variance = column @ column / len(column) - mean**2  # the mean is small: nothing cancels
        return bool(abs(np.sqrt(max(variance, 0.0)) - 1.0) <= _CLOSE)


def _share_explained(left: _Floats, total: _Floats) -> float:
    """Return one minus the share that is left; of a constant label all, or nothing, is explained."""
    share = np.divide(left, total, out=np.where(left == 0, 0.0, 1.0), where=total > 0)
    return float(np.mean(1.0 - share))


def _is_numeric(X: Any) -> bool:
    dtypes = getattr(X, "dtypes", None)
    if dtypes is not None and hasattr(X, "iloc"):
        return all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes)
    return isinstance(X, np.ndarray) and X.dtype.kind in "biuf"
