"""Tracing of the methods of estimators."""

from __future__ import annotations

import functools
import logging
from typing import Any

from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.fit_events import prepare_fit, record_fit
from mistique_core.modeldb.client.metric_events import record_score
from mistique_core.modeldb.client.prediction_events import record_prediction
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.tracker import Step, Tracker
from mistique_core.modeldb.client.transform_events import record_transform

log = logging.getLogger(__name__)


def _record_fit_predict(tracker: Tracker, call: TracedCall) -> None:
    record_fit(tracker, call)
    if call.error is None:
        record_prediction(tracker, call)


METHODS: dict[str, tuple[Step, Step | None]] = {
    "fit": (record_fit, prepare_fit),
    "fit_transform": (record_fit, prepare_fit),
    "fit_predict": (_record_fit_predict, prepare_fit),
    "transform": (record_transform, None),
    "predict": (record_prediction, None),
    "predict_proba": (record_prediction, None),
    "score": (record_score, None),
}
"""Method -> what records a call of it, and what looks at the arguments before."""


def call_method(tracker: Tracker, estimator: Any, name: str, method: Any, args: Any, kwargs: Any) -> Any:
    """Call a method of an estimator and record it; return, or raise, what it does.

    Parameters
    ----------
    tracker
        Who records it.
    estimator, name
        Whose method, and which.
    method
        The method as a function that takes the estimator first.
    args, kwargs
        Its arguments.
    """
    record, prepare = METHODS[name]
    return tracker.make(TracedCall(estimator, name, method, args, kwargs), record, prepare)


class _TracedMethod:
    """Stands in for a method that is there only on some conditions, such as ``predict`` of a pipeline."""

    def __init__(self, tracker: Tracker, name: str, method: Any) -> None:
        self._tracker = tracker
        self._name = name
        self._method = method
        self.__doc__ = getattr(method, "__doc__", None)

    def __get__(self, estimator: Any, owner: Any = None) -> Any:
        bound = self._method.__get__(estimator, owner)
        if estimator is None:
            return bound

        @functools.wraps(bound)
        def traced(*args: Any, **kwargs: Any) -> Any:
            if not self._tracker.is_listening:
                return bound(*args, **kwargs)
            return call_method(self._tracker, estimator, self._name, lambda _, *a, **k: bound(*a, **k), args, kwargs)

        return traced


def _traced(tracker: Tracker, name: str, method: Any) -> Any:
    if not callable(method) or not hasattr(method, "__code__"):
        return _TracedMethod(tracker, name, method)

    @functools.wraps(method)
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracker.is_listening:
            return method(self, *args, **kwargs)
        return call_method(tracker, self, name, method, args, kwargs)

    traced.__mistique_traced__ = True  # type: ignore[attr-defined]
    return traced


def trace_class(replaced: Replaced, tracker: Tracker, cls: type) -> None:
    """Trace the methods that a class defines itself."""
    for name in METHODS:
        method = vars(cls).get(name)
        if method is None or isinstance(method, (_TracedMethod, staticmethod, classmethod)):
            continue
        if not getattr(method, "__mistique_traced__", False) and hasattr(method, "__get__"):
            replaced.attribute(cls, name, _traced(tracker, name, method))


def trace_estimators(replaced: Replaced, tracker: Tracker) -> None:
    """Trace every estimator class there is, and every one that is made from now on; none without scikit-learn."""
    try:
        import sklearn.base
        from sklearn.utils._set_output import _SetOutputMixin
    except ModuleNotFoundError:
        return

    for item in {base for cls in _all_subclasses(sklearn.base.BaseEstimator) for base in cls.__mro__}:
        trace_class(replaced, tracker, item)
    # scikit-learn wraps the methods of a new transformer once more, in the hook of this mixin: ours come after it.
    for base in (sklearn.base.BaseEstimator, _SetOutputMixin):
        _hook(replaced, tracker, base)


def _hook(replaced: Replaced, tracker: Tracker, base: Any) -> None:
    own = vars(base).get("__init_subclass__")

    def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:
        if own is None:
            super(base, cls).__init_subclass__(**kwargs)
        else:
            own.__get__(None, cls)(**kwargs)
        try:
            if not (own is None and _has_hook_outside(cls, base)):
                for item in cls.__mro__:
                    trace_class(replaced, tracker, item)
        except Exception:
            log.exception("ModelDB: calls of the new class %s are not recorded", cls.__qualname__)

    replaced.attribute(base, "__init_subclass__", classmethod(__init_subclass__))


def _has_hook_outside(cls: type, base: type) -> bool:
    """Return whether the other hook comes before this one in a class, and so traces it later."""
    from sklearn.utils._set_output import _SetOutputMixin

    order = cls.__mro__
    return _SetOutputMixin in order and order.index(_SetOutputMixin) < order.index(base)


def _all_subclasses(cls: type) -> set[type]:
    found: set[type] = set()
    below = [cls]
    while below:
        item = below.pop()
        if item not in found:
            found.add(item)
            below += type.__subclasses__(item)
    return found
