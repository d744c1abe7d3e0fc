"""The cells and folds of a search, and the scores of a cross-validation, as parts of their events."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mistique_core.fitted.facts import hyperparameters_of
from mistique_core.fitted.facts.hyperparameters import as_json
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path, described
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.tracker import Tracker

_DEFAULT_SCORES = {"ClassifierMixin.score": "accuracy", "RegressorMixin.score": "r2"}
"""What the score of an estimator is that defines none of its own."""


def is_search(estimator: Any) -> bool:
    """Return whether an estimator searches hyperparameters, such as ``GridSearchCV``."""
    if "sklearn.model_selection" not in sys.modules:
        return False
    from sklearn.model_selection._search import BaseSearchCV

    return isinstance(estimator, BaseSearchCV)


def evaluator_name(scoring: Any, estimator: Any) -> str:
    """Return the name of what scores a model: as scikit-learn calls it, or the function's."""
    if isinstance(scoring, str):
        return scoring
    function = getattr(scoring, "_score_func", scoring)
    if function is not None:
        return str(getattr(function, "__name__", type(function).__name__)).removesuffix("_score")
    steps = getattr(estimator, "steps", None)
    model = steps[-1][1] if steps else getattr(estimator, "estimator", estimator) if is_search(estimator) else estimator
    own = getattr(getattr(type(model), "score", None), "__qualname__", "")
    return _DEFAULT_SCORES.get(own, "score")


def _seed_of(cv: Any) -> int | None:
    seed = getattr(cv, "random_state", None)
    return int(seed) if isinstance(seed, (int, np.integer)) else None


def add_search_parts(
    tracker: Tracker, event: StageEvent, search: Any, best: TransformerEntity, data: DataView
) -> list[StageEvent]:
    """Return the events of a finished search: each cell with its folds, and the fit of the best one on all rows.

    Also completes the event itself: folds, seed, evaluator, and the best score of each evaluator.
    """
    results = search.cv_results_
    names = _evaluators(search)
    event.facts = {"folds": int(search.n_splits_), "seed": _seed_of(search.cv), "evaluator": ", ".join(names.values())}
    if hasattr(search, "best_index_"):
        means = ((name, results[f"mean_test_{key}"][search.best_index_]) for key, name in names.items())
        event.metrics = {f"best_{name}": float(value) for name, value in means}
    parts = []
    for cell, params in enumerate(results["params"]):
        scores = {
            name: [float(results[f"split{fold}_test_{key}"][cell]) for fold in range(search.n_splits_)]
            for key, name in names.items()
        }
        parts += _cross_validation(event, params, scores, data, search, _seconds(results, cell))
    if getattr(search, "best_estimator_", None) is not None:
        parts.append(_best(event, search.best_estimator_, best, data, float(getattr(search, "refit_time_", 0.0))))
    return parts


def _evaluators(search: Any) -> dict[str, str]:
    """Return key of the results -> evaluator."""
    scorers = search.scorer_
    if isinstance(scorers, Mapping):
        return {str(name): str(name) for name in scorers}
    return {"score": evaluator_name(search.scoring, search.estimator)}


def _seconds(results: Mapping[str, Any], cell: int) -> float:
    return float(results["mean_fit_time"][cell] + results["mean_score_time"][cell])


def _cross_validation(
    parent: StageEvent,
    params: Mapping[str, Any],
    scores: Mapping[str, Sequence[float]],
    data: DataView,
    search: Any,
    fold_seconds: float,
) -> list[StageEvent]:
    event = StageEvent(
        StageKind.CROSS_VALIDATION,
        "cell",
        call_path(type(search.estimator), "fit"),
        type(search.estimator).__name__,
        params={name: described(value) for name, value in params.items()},
        inputs={"data": data.source.entity},
        hyperparameters={name: as_json(value) for name, value in params.items()},
        facts=dict(parent.facts),
        parent=parent,
        started_at=parent.started_at,
        ended_at=parent.started_at + fold_seconds * int(search.n_splits_),
    )
    return [event, *fold_events(event, scores, data)]


def fold_events(event: StageEvent, scores: Mapping[str, Sequence[float]], data: DataView) -> list[StageEvent]:
    """Return an event a fold of a cross-validation.

    Parameters
    ----------
    event
        The cross-validation.
    scores
        Evaluator -> score of each fold.
    data
        What was divided into folds.
    """
    folds = len(next(iter(scores.values()), ()))
    return [
        StageEvent(
            StageKind.METRIC,
            "fold",
            event.operator,
            event.label,
            metrics={name: values[fold] for name, values in scores.items()},
            metrics_on=data.source.entity,
            facts={"position": fold},
            parent=event,
            started_at=event.started_at,
            ended_at=event.ended_at,
        )
        for fold in range(folds)
    ]


def _best(parent: StageEvent, estimator: Any, entity: TransformerEntity, data: DataView, seconds: float) -> StageEvent:
    return StageEvent(
        StageKind.FIT,
        "best",
        call_path(type(estimator), "fit"),
        type(estimator).__name__,
        params=described(estimator),
        inputs={"data": data.source.entity},
        fitted={"model": entity},
        hyperparameters=entity.facts.hyperparameters,
        parent=parent,
        started_at=parent.ended_at - seconds,
        ended_at=parent.ended_at,
    )


def record_cross_validation(tracker: Tracker, call: TracedCall) -> None:
    """Record ``cross_val_score`` or ``cross_validate``."""
    estimator = call.argument(0, "estimator")
    data = tracker.views.view(call.argument(1, "X"))
    y = call.argument(2, "y")
    label = None if y is None else tracker.views.view(y, "y")
    scoring, cv = call.kwargs.get("scoring"), call.kwargs.get("cv")
    is_own = label is not None and not all(data.source.has(name, label.source) for name in label.columns or ())
    event = StageEvent(
        StageKind.CROSS_VALIDATION,
        call.method,
        call_path(call.function),
        type(estimator).__name__,
        params={"estimator": described(estimator), "cv": _described_cv(cv), "scoring": _described_scoring(scoring)},
        inputs={"data": data.source.entity, **({"y": label.source.entity} if is_own and label is not None else {})},
        hyperparameters=hyperparameters_of(estimator),
        **call.times,
    )
    if call.error is not None:
        tracker.buffer.add(event, begins_fit=True)
        return
    scores = _scores(call, scoring, estimator)
    folds = len(next(iter(scores.values()), ()))
    event.facts = {"folds": folds, "seed": _seed_of(cv), "evaluator": ", ".join(scores)}
    event.metrics = {
        f"mean_{name}": float(np.mean(values)) for name, values in scores.items() if np.all(np.isfinite(values))
    }
    tracker.buffer.add(event, *fold_events(event, scores, data), begins_fit=True)


def _scores(call: TracedCall, scoring: Any, estimator: Any) -> dict[str, list[float]]:
    if not isinstance(call.result, Mapping):
        return {evaluator_name(scoring, estimator): [float(value) for value in call.result]}
    tests = {key: values for key, values in call.result.items() if key.startswith("test_")}
    if list(tests) == ["test_score"]:
        return {evaluator_name(scoring, estimator): [float(value) for value in tests["test_score"]]}
    return {key.removeprefix("test_"): [float(value) for value in values] for key, values in tests.items()}


def _described_cv(cv: Any) -> Any:
    if hasattr(cv, "get_n_splits"):
        settings = {name: as_json(value) for name, value in sorted(vars(cv).items())}
        return {"splitter": type(cv).__name__, **settings}
    return cv if cv is None or isinstance(cv, int) else type(cv).__name__


def _described_scoring(scoring: Any) -> Any:
    if isinstance(scoring, (list, tuple, set)):
        return [str(name) for name in scoring]
    if isinstance(scoring, Mapping):
        return sorted(map(str, scoring))
    return scoring if scoring is None or isinstance(scoring, str) else evaluator_name(scoring, None)
