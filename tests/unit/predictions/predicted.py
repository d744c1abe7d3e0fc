"""Matrices made from plain arrays, for tests."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from mistique_core.predictions import Matrix, MatrixColumn, Problem, Truth
from mistique_core.predictions.levels import correctness_levels, error_levels, probability_levels

Floats = npt.NDArray[np.float64]
NO_CODES = np.empty(0, np.uint8)
NO_VALUES = np.empty(0)


def binary_matrix(truth: npt.NDArray[np.bool_], probabilities: Floats) -> Matrix:
    """Return a matrix from (rows,) truths and (rows, models) probabilities of the positive class."""
    found = Truth(Problem("binary", ("no", "yes"), 1), truth.astype(np.uint8), NO_VALUES)
    columns = tuple(
        MatrixColumn(correctness_levels(probability_levels(column), truth), np.packbits(column > 0.5))
        for column in np.ascontiguousarray(probabilities.T)
    )
    return _matrix(found, columns, len(truth))


def multiclass_matrix(truth: npt.NDArray[np.uint8], probabilities: Floats) -> Matrix:
    """Return a matrix from (rows,) classes and (models, rows, classes) probabilities."""
    names = tuple(f"class {at}" for at in range(probabilities.shape[2]))
    columns = tuple(
        MatrixColumn(probability_levels(of[np.arange(len(truth)), truth]), of.argmax(axis=1).astype(np.uint8))
        for of in probabilities
    )
    return _matrix(Truth(Problem("multiclass", names), truth, NO_VALUES), columns, len(truth))


def regression_matrix(truth: Floats, predictions: Floats) -> Matrix:
    """Return a matrix from (rows,) amounts and (rows, models) predictions."""
    problem = Problem("regression", scale=float(truth.std()))
    columns = tuple(MatrixColumn(error_levels(column - truth, problem.scale), NO_CODES) for column in predictions.T)
    return _matrix(Truth(problem, NO_CODES, truth), columns, len(truth))


def _matrix(truth: Truth, columns: tuple[MatrixColumn, ...], rows: int) -> Matrix:
    address = hashlib.blake2b(b"".join(column.levels.tobytes() for column in columns), digest_size=16).digest()
    names = tuple(f"m{at}" for at in range(len(columns)))
    return Matrix(address, np.arange(rows, dtype=np.int64) * 3 + 1, truth, names, columns)
