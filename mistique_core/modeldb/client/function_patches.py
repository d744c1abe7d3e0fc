"""Tracing of functions: of scikit-learn's model selection and metrics, and of pandas."""

from __future__ import annotations

import functools
import inspect
from types import ModuleType
from typing import Any

from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.metric_events import record_metric
from mistique_core.modeldb.client.read_events import record_read_csv
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.search_events import record_cross_validation
from mistique_core.modeldb.client.split_events import prepare_split, record_split
from mistique_core.modeldb.client.tracker import Step, Tracker

_TRUTH = ("labels_true", "y_true")

FUNCTIONS: dict[str, tuple[Step, Step | None]] = {
    "train_test_split": (record_split, prepare_split),
    "cross_val_score": (record_cross_validation, None),
    "cross_validate": (record_cross_validation, None),
    "read_csv": (record_read_csv, None),
}
"""Function -> what records a call of it, and what looks at the arguments before."""


def call_function(tracker: Tracker, function: Any, args: Any, kwargs: Any) -> Any:
    """Call a function and record it; return, or raise, what it does. One that is not in the table is a metric."""
    record, prepare = FUNCTIONS.get(function.__name__, (record_metric, None))
    return tracker.make(TracedCall(None, function.__name__, function, args, kwargs), record, prepare)


def trace_functions(replaced: Replaced, tracker: Tracker) -> None:
    """Trace functions where they are defined for users, and where these have imported them already."""
    import pandas as pd

    _trace(replaced, tracker, pd, "read_csv")
    try:
        import sklearn.metrics
        import sklearn.model_selection
    except ModuleNotFoundError:
        replaced.where_imported()
        return
    for name in ("train_test_split", "cross_val_score", "cross_validate"):
        _trace(replaced, tracker, sklearn.model_selection, name)
    for name in sklearn.metrics.__all__:
        if _is_metric(getattr(sklearn.metrics, name, None)):
            _trace(replaced, tracker, sklearn.metrics, name)
    replaced.where_imported()


def _is_metric(function: Any) -> bool:
    """Return whether a function takes the truth first: by its code, as signatures take fifty times as long to make."""
    if not inspect.isfunction(function):
        return False
    code = inspect.unwrap(function).__code__
    return code.co_argcount > 0 and code.co_varnames[0] in _TRUTH


def _trace(replaced: Replaced, tracker: Tracker, module: ModuleType, name: str) -> None:
    function = getattr(module, name)

    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if not tracker.is_listening:
            return function(*args, **kwargs)
        return call_function(tracker, function, args, kwargs)

    replaced.function(module, name, traced)
