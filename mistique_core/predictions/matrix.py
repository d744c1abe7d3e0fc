"""The prediction matrix: examples x models, one byte a cell (thesis 6.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistique_core.errors import NotFoundError
from mistique_core.predictions.levels import (
    OF_CORRECTNESS,
    OF_ERROR,
    STEPS,
    correctness_levels,
    threshold_level,
)
from mistique_core.predictions.problem import Codes, Problem, Truth

RowIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MatrixColumn:
    """One model's predictions.

    Attributes
    ----------
    levels
        (rows,) uint8, 0 to 200: of a classification the probability of the true class, of a regression the signed
        error; see :mod:`mistique_core.predictions.levels`.
    decisions
        What the model decided itself: bits (``numpy.packbits``) of the positive class, or (rows,) positions of classes;
        empty for a regression.
    has_probabilities
        Whether `levels` come from probabilities; else they are 0 or 200, for wrong and right.
    """

    levels: Codes
    decisions: Codes
    has_probabilities: bool = True

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.levels.nbytes + self.decisions.nbytes


@dataclass(frozen=True)
class Matrix:
    """All models over the rows that they share, by ascending row id.

    Attributes
    ----------
    address
        Depends on the contents only; two equal matrices have the same.
    row_ids
        (rows,) int64, ascending.
    truth
        The label of each row.
    names
        Names of the models, for people, each once.
    columns
        One for each name.
    """

    address: bytes
    row_ids: RowIds
    truth: Truth
    names: tuple[str, ...]
    columns: tuple[MatrixColumn, ...]

    @property
    def problem(self) -> Problem:
        """What is predicted."""
        return self.truth.problem

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.row_ids)

    @property
    def to_correctness(self) -> Codes:
        """(256,) uint8: level -> correctness in steps of 1 / 200."""
        return OF_ERROR if self.problem.kind == "regression" else OF_CORRECTNESS

    def correctness(self, model: int, positions: npt.NDArray[np.integer] | slice = slice(None)) -> Codes:
        """Return correctness of one model at some positions, in steps of 1 / 200."""
        levels = self.columns[model].levels[positions]
        return levels if self.problem.kind != "regression" else OF_ERROR[levels]

    def truth_levels(self) -> Codes:
        """Return (rows,) the truth as 0 to 200: classes in their order, amounts by rank."""
        if self.problem.kind != "regression":
            last = max(len(self.problem.classes) - 1, 1)
            shades = np.rint(np.arange(last + 1) * STEPS / last).astype(np.uint8)
            if self.problem.positive == 0:
                shades = shades[::-1]
            return np.asarray(shades[self.truth.codes])
        edges = np.quantile(self.truth.values, THRESHOLD_SHARES) if self.rows else np.empty(0)
        return np.searchsorted(edges, self.truth.values).astype(np.uint8)

    def decisions(self, model: int, threshold: float | None = None) -> npt.NDArray[np.bool_] | Codes:
        """Return what one model decides.

        Parameters
        ----------
        model
            Its position.
        threshold
            Of the positive class's probability, for binary problems; ``None`` for the model's own decision.

        Returns
        -------
        numpy.ndarray
            (rows,) bool for a binary problem, else (rows,) uint8 positions of classes.
        """
        column = self.columns[model]
        if self.problem.kind != "binary":
            return column.decisions
        if threshold is None or not column.has_probabilities:
            return np.unpackbits(column.decisions, count=self.rows).astype(bool)
        return self.positive_levels(model) >= threshold_level(threshold)

    def positive_levels(self, model: int) -> Codes:
        """Return (rows,) levels of the positive class's probability of a binary problem."""
        return correctness_levels(self.columns[model].levels, self.truth.is_positive)

    def is_right(self, model: int, threshold: float | None = None) -> npt.NDArray[np.bool_]:
        """Return (rows,) whether one model is right; of a regression, within a tenth of the label's deviation."""
        if self.problem.kind == "regression":
            return np.asarray(self.correctness(model) >= STEPS - STEPS // 10)
        decided = self.decisions(model, threshold)
        right = self.truth.is_positive if self.problem.kind == "binary" else self.truth.codes
        return np.asarray(decided == right)

    def position(self, row_id: int) -> int:
        """Return the position of a row.

        Raises
        ------
        NotFoundError
            If no such row is among them.
        """
        at = int(np.searchsorted(self.row_ids, row_id))
        if at >= self.rows or self.row_ids[at] != row_id:
            raise NotFoundError(f"row {row_id} is not among the {self.rows:,} rows that the chosen models share")
        return at

    def positions(self, row_ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the positions of those rows that are among them, in their order."""
        wanted = np.asarray(row_ids, dtype=np.int64)
        if not self.rows:
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.row_ids, wanted), self.rows - 1)
        return np.asarray(at[self.row_ids[at] == wanted])


THRESHOLD_SHARES = np.arange(1, STEPS + 1) / (STEPS + 1)
