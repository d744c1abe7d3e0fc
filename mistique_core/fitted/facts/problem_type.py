"""What an estimator solves."""

from __future__ import annotations

from typing import Any

from mistique_core.model.fit_facts import ProblemType


def problem_type_of(estimator: Any) -> ProblemType:
    """Return what a fitted estimator solves; a transformer, or what does not say, solves nothing in particular."""
    from sklearn.base import is_classifier, is_clusterer, is_regressor

    try:
        if is_classifier(estimator):
            return _classification(estimator)
        if is_regressor(estimator):
            return ProblemType.REGRESSION
        if is_clusterer(estimator):
            return ProblemType.CLUSTERING
    except (AttributeError, TypeError):
        # An object that only looks like an estimator has no tags.
        return ProblemType.UNDEFINED
    return ProblemType.UNDEFINED


def _classification(estimator: Any) -> ProblemType:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return ProblemType.UNDEFINED
    # Several outputs have a list of classes each: more than two outcomes.
    is_binary = not isinstance(classes, list) and len(classes) <= 2
    return ProblemType.BINARY_CLASSIFICATION if is_binary else ProblemType.MULTICLASS_CLASSIFICATION
