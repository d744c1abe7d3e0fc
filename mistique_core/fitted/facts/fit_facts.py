"""Take what is worth knowing out of a fitted estimator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mistique_core.fitted.facts.features import features_of, names_of_features
from mistique_core.fitted.facts.history import history_of
from mistique_core.fitted.facts.hyperparameters import hyperparameters_of
from mistique_core.fitted.facts.keras_network import is_keras, keras_facts
from mistique_core.fitted.facts.linear import linear_facts
from mistique_core.fitted.facts.problem_type import problem_type_of
from mistique_core.fitted.facts.trees import tree_facts
from mistique_core.model.fit_facts import FitFacts

NODE_LIMIT = 10_000
WORK_LIMIT = 200_000_000


def fit_facts(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    node_limit: int = NODE_LIMIT,
    work_limit: int = WORK_LIMIT,
    is_weighted: bool = False,
    feature_names: Sequence[str] | None = None,
    label_names: Sequence[str] | None = None,
) -> FitFacts:
    """Return the facts of a fitted estimator of scikit-learn, XGBoost or LightGBM, or of a Keras model or History.

    Those of a pipeline are its last step's, with the pipeline's own input columns as features; those of a search are
    its best estimator's. Nothing is fitted, no tree is walked node by node, and `X` is copied at most once, for linear
    models only.

    Parameters
    ----------
    estimator
        What was fitted.
    X
        What it was fitted on: a frame or an array (n_rows, n_features). Without it there are no standard errors.
    y
        The label: a Series, a frame or an array (n_rows,) or (n_rows, n_outputs).
    node_limit
        Most nodes whose structure, and most coefficients that, are taken out; numbers of nodes always are.
    work_limit
        Most multiplications, ``n_rows * (n_features + 1) ** 2``, that standard errors may take. The default is about
        25 ms, or a tenth of fitting least squares to as much data. Other regressions are compared with their labels
        (root mean squared error, r2) up to a hundredth of it.
    is_weighted
        Whether sample weights were used, so that there are no standard errors.
    feature_names, label_names
        Names of the columns of `X` and `y`, for arrays that have none.

    Returns
    -------
    FitFacts
        ``linear`` has standard errors for least squares and unpenalised binary logistic regression only.
    """
    if is_keras(estimator):
        return keras_facts(estimator)
    fitted = _chosen(estimator)
    steps = pipeline_steps(fitted)
    names = _feature_names(fitted, X, feature_names)
    inner: tuple[str, ...] | None = names
    model, scaled = fitted, None
    if steps:
        before, model = steps
        inner, scaled, X = _names_after(before, names), _is_scaled(before), None
    terms = names_of_features(model, X) if inner is None else inner
    linear = linear_facts(model, terms, X, y, node_limit, work_limit, is_weighted, scaled)
    return FitFacts(
        type_name=type(model).__name__,
        problem_type=problem_type_of(model),
        hyperparameters=hyperparameters_of(model),
        features=features_of(model, names, are_inputs=inner == names),
        label_columns=_label_columns(y) if label_names is None else tuple(label_names),
        prediction_columns=_prediction_columns(model),
        linear=linear,
        trees=tree_facts(model, node_limit),
        history=history_of(model),
    )


def _feature_names(estimator: Any, X: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    own = names_of_features(estimator, X)
    return tuple(given) if given is not None and len(given) == len(own) else own


def _chosen(estimator: Any) -> Any:
    """Return the best estimator of a search, and anything else as it is."""
    while getattr(estimator, "best_estimator_", None) is not None and hasattr(estimator, "cv_results_"):
        estimator = estimator.best_estimator_
    return estimator


def pipeline_steps(estimator: Any) -> tuple[Any, Any] | None:
    """Return the steps before the last one, as a pipeline, and the last one; ``None`` for what is no pipeline."""
    steps = getattr(estimator, "steps", None)
    if not isinstance(steps, list) or "sklearn.pipeline" not in sys.modules:
        return None
    from sklearn.pipeline import Pipeline

    if not isinstance(estimator, Pipeline) or steps[-1][1] in (None, "passthrough"):
        return None
    return estimator[:-1], steps[-1][1]


def _names_after(before: Any, names: tuple[str, ...]) -> tuple[str, ...] | None:
    if not before.steps:
        return names
    try:
        return tuple(str(name) for name in before.get_feature_names_out(list(names)))
    except (AttributeError, TypeError, ValueError):
        # Not every transformer names what it makes; the columns are then numbered.
        return None


def _is_scaled(before: Any) -> bool | None:
    last = before.steps[-1][1] if before.steps else None
    if last is None or type(last).__name__ != "StandardScaler":
        return None
    return bool(last.with_mean and last.with_std)


def _label_columns(y: Any) -> tuple[str, ...]:
    columns = getattr(y, "columns", None)
    if columns is not None:
        return tuple(str(name) for name in columns)
    name = getattr(y, "name", None)
    return () if name is None else (str(name),)


def _prediction_columns(model: Any) -> tuple[str, ...]:
    """Return the columns that :class:`mistique_core.workflows.predict.PredictStage` makes of its predictions."""
    if not hasattr(model, "predict"):
        return ()
    classes = getattr(model, "classes_", None)
    if classes is None or isinstance(classes, list) or not hasattr(model, "predict_proba"):
        return ("prediction",)
    return ("prediction", *(f"probability_{label}" for label in classes))
