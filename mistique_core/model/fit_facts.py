"""What fitting gave, for ModelDB: a model's inside as plain values, whichever library fitted it (thesis 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ProblemType(StrEnum):
    """What a model solves; the values of the original ModelDB."""

    UNDEFINED = "undefined"
    BINARY_CLASSIFICATION = "binary classification"
    MULTICLASS_CLASSIFICATION = "multiclass classification"
    REGRESSION = "regression"
    CLUSTERING = "clustering"
    RECOMMENDATION = "recommendation"


@dataclass(frozen=True)
class Feature:
    """One input column of a model.

    Attributes
    ----------
    name
        The column.
    importance
        As the model gives it: an impurity-based importance, or the absolute coefficient; ``None`` where it gives none.
    """

    name: str
    importance: float | None = None


@dataclass(frozen=True)
class LinearTerm:
    """One coefficient of a linear model.

    Attributes
    ----------
    index
        0 for the intercept, then the features from 1, for each `target` anew.
    name
        The feature, or ``intercept``.
    target
        The class or the output that the coefficient belongs to; "" where there is only one.
    coefficient
        Its value.
    std_err, t_stat, p_value
        Of ordinary least squares and of logistic regression (Wald); ``None`` where they cannot be computed, such as
        with a penalty or a singular matrix.
    """

    index: int
    name: str
    target: str
    coefficient: float
    std_err: float | None = None
    t_stat: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class LinearFacts:
    """A linear model.

    Attributes
    ----------
    terms
        Intercept and coefficients.
    rmse, explained_variance, r2
        On the rows that it was fitted on; ``None`` for classifiers, and where they were not computed.
    is_standardized
        Whether its features had mean 0 and standard deviation 1, so that coefficients compare; ``None`` if not known.
    """

    terms: tuple[LinearTerm, ...]
    rmse: float | None = None
    explained_variance: float | None = None
    r2: float | None = None
    is_standardized: bool | None = None


@dataclass(frozen=True)
class TreeNodes:
    """One decision tree as arrays, one item a node; node 0 is the root.

    Attributes
    ----------
    left, right
        int32 (n_nodes,): the children; -1 for a leaf.
    feature
        int32 (n_nodes,): the feature that it splits by, by position; -1 for a leaf.
    threshold
        float64 (n_nodes,): rows up to it go left; NaN for a leaf.
    prediction
        float64 (n_nodes,): the mean, or the number of the likeliest class; for boosted trees what a leaf adds.
    impurity, gain
        float64 (n_nodes,): NaN where the library does not tell them.
    """

    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    prediction: npt.NDArray[np.float64]
    impurity: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]


@dataclass(frozen=True)
class TreeFacts:
    """A tree, or several of them.

    Attributes
    ----------
    model_type
        ``Decision Tree``, ``Random Forest`` or ``GBT``.
    weights
        Weight of each component.
    sizes
        Number of nodes of each component.
    components
        Their structures: all, or none of them where together they have more nodes than were asked for.
    """

    model_type: str
    weights: tuple[float, ...]
    sizes: tuple[int, ...]
    components: tuple[TreeNodes, ...] = ()


@dataclass(frozen=True)
class FitFacts:
    """What is known about a fitted model or transformer.

    Attributes
    ----------
    type_name
        Class name, such as ``RandomForestClassifier``.
    problem_type
        What it solves.
    hyperparameters
        Name -> JSON value.
    features
        Its input columns, in order.
    label_columns, prediction_columns
        Names of what it learns and of what it makes.
    linear, trees
        Its inside, where it is one of these.
    history
        Name (``objective``, ``loss``, ``val_accuracy``) -> one value an iteration, from the first; or step -> value,
        where steps are left out, of at most 32 bits with their sign.
    """

    type_name: str
    problem_type: ProblemType = ProblemType.UNDEFINED
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[Feature, ...] = ()
    label_columns: tuple[str, ...] = ()
    prediction_columns: tuple[str, ...] = ()
    linear: LinearFacts | None = None
    trees: TreeFacts | None = None
    history: Mapping[str, tuple[float, ...] | Mapping[int, float]] = field(default_factory=dict)
