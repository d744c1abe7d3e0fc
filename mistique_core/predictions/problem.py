"""What is predicted: one of two classes, one of several, or an amount."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.values.groups import sorted_codes
from mistique_core.errors import InvalidInputError
from mistique_core.predictions.found import PROBABILITY

Kind = Literal["binary", "multiclass", "regression"]
Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
MOST_CLASSES = 200
_FEW_VALUES = 20


@dataclass(frozen=True)
class Problem:
    """What all models of a comparison predict.

    Attributes
    ----------
    kind
        ``binary``, ``multiclass`` or ``regression``.
    classes
        Names of the classes, in the order of the label's values; empty for a regression.
    positive
        Position of the positive class of a binary problem.
    scale
        Of a regression: the standard deviation of the label, in its unit. An error of that size counts as wholly wrong.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    positive: int | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Truth:
    """The label of each row.

    Attributes
    ----------
    problem
        What is predicted.
    codes
        (rows,) uint8 positions of the classes; empty for a regression.
    values
        (rows,) float64 amounts; empty for a classification.
    """

    problem: Problem
    codes: Codes
    values: Floats

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.codes.nbytes + self.values.nbytes

    @property
    def is_positive(self) -> npt.NDArray[np.bool_]:
        """(rows,) whether a row is of the positive class."""
        return np.asarray(self.codes == self.problem.positive)


def class_name(value: Any) -> str:
    """Return a class as text; a whole float as the integer, so that 1 and 1.0 are the same class."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def class_of_column(name: str) -> str:
    """Return the class of a column ``probability_<class>``."""
    text = name.removeprefix(PROBABILITY)
    return text[:-2] if text.endswith(".0") and text[:-2].lstrip("-").isdecimal() else text


def is_regression(label: pd.Series, prediction: pd.Series | None, probabilities: Sequence[str]) -> bool:
    """Whether amounts are predicted: no probabilities, and floats that are not a few repeated values."""
    if probabilities or prediction is None or label.dtype.kind not in "iuf" or prediction.dtype.kind not in "iuf":
        return False
    if prediction.dtype.kind != "f" and label.nunique() <= _FEW_VALUES:
        return False
    return label.nunique() > _FEW_VALUES or not prediction.isin(label.unique()).all()


def truth_of(
    label: pd.Series, *, regression: bool, classes: Collection[str] = (), positive: str | None = None
) -> Truth:
    """Return the label as codes or amounts.

    Parameters
    ----------
    label
        Without missing values.
    regression
        Whether it is an amount.
    classes
        Names of classes that models know, whether or not a row has them.
    positive
        Name of the positive class; the last one by default.

    Raises
    ------
    InvalidInputError
        If there are too many classes or the positive one does not exist.
    """
    if regression:
        values = label.to_numpy(dtype=np.float64)
        scale = float(values.std()) if len(values) else 1.0
        return Truth(Problem("regression", scale=scale or 1.0), np.empty(0, np.uint8), values)
    places, found = sorted_codes(label)
    names = [class_name(value) for value in found]
    names += sorted(set(classes) - set(names))
    if len(names) > MOST_CLASSES:
        raise InvalidInputError(
            f"label {label.name!r} has {len(names):,} different values, more than {MOST_CLASSES} classes; "
            "choose another label"
        )
    codes = places.astype(np.uint8)
    if set(classes) >= set(names) and len(names) > len(found):
        order = sorted(range(len(names)), key=lambda at: _natural(names[at]))
        codes = np.argsort(order).astype(np.uint8)[codes]
        names = [names[at] for at in order]
    if len(names) > 2:
        return Truth(Problem("multiclass", tuple(names)), codes, np.empty(0))
    chosen = names[-1] if positive is None else positive
    if chosen not in names:
        raise InvalidInputError(f"there is no class {chosen[:80]!r}; choose one of {', '.join(names)}")
    return Truth(Problem("binary", tuple(names), names.index(chosen)), codes, np.empty(0))


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def codes_of(values: pd.Series, classes: Sequence[str]) -> Codes | None:
    """Return (rows,) the positions of predicted classes, or ``None`` where one of them is unknown."""
    numbers, found = pd.factorize(values)
    places = {name: at for at, name in enumerate(classes)}
    known = [places.get(class_name(value), -1) for value in found]
    if -1 in known or (numbers < 0).any():
        return None
    return np.asarray(known, dtype=np.uint8)[numbers]
