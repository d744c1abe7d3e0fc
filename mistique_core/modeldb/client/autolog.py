"""Record what a script does with scikit-learn, XGBoost, LightGBM, Keras and Spark, without changing a line of it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mistique_core.modeldb.client.estimator_patches import trace_estimators
from mistique_core.modeldb.client.event_buffer import EventSink
from mistique_core.modeldb.client.frame_patches import follow_columns
from mistique_core.modeldb.client.function_patches import trace_functions
from mistique_core.modeldb.client.keras_callback import trace_keras
from mistique_core.modeldb.client.open_recorder import open_recorder
from mistique_core.modeldb.client.session import TracedRun, stop_active
from mistique_core.modeldb.spark.trace import trace_spark

if TYPE_CHECKING:
    from mistique_core.store import Mistique


def autolog(
    project: str = "default",
    model: str | None = None,
    *,
    store: Mistique | str | os.PathLike[str] | None = None,
    experiment: str | None = None,
    description: str | None = None,
    count_rows: bool = False,
) -> TracedRun:
    """Begin an ExperimentRun that records the calls of the script from here on.

    Recorded are ``fit``, ``fit_transform``, ``fit_predict``, ``transform``, ``predict``, ``predict_proba`` and
    ``score`` of every estimator with scikit-learn's interface, ``train_test_split``, ``cross_val_score``,
    ``cross_validate``, searches such as ``GridSearchCV``, the functions of ``sklearn.metrics``, ``pandas.read_csv``,
    and ``fit`` and ``predict`` of Keras models; of PySpark ``fit``, ``transform``, ``evaluate``, ``randomSplit`` and
    what a DataFrameReader reads; not the calls that these make inside. They return what they return without it; only a
    split without a seed gets one, which is recorded.

    Parameters
    ----------
    project
        Groups runs.
    model
        Name of what the script makes; default the script's name.
    store
        A store, its location, or ``None`` for the default one, as in :meth:`Mistique.open`.
    experiment
        Groups runs of a project.
    description
        For people.
    count_rows
        Whether rows of Spark's data frames are counted, each time by a job of Spark.

    Returns
    -------
    TracedRun
        A context manager; ``stop()`` ends the run, ``flush()`` writes what was recorded so far. The run also ends with
        the next call of this function, and with the interpreter.

    Raises
    ------
    InvalidInputError
        If a name cannot be used in keys.
    CatalogueUnavailableError
        If `store` is no open store, and its catalogue cannot be reached. Later it may come and go: the run is begun in
        the background, and what cannot be written is logged and tried again.
    """
    stop_active()
    recorder, _, close = open_recorder(project, model, store, experiment=experiment, description=description)
    try:
        return trace(recorder, close, count_rows=count_rows)
    except BaseException as error:
        recorder.finish(f"{type(error).__name__}: {error}")
        if close is not None:
            close()
        raise


def trace(sink: EventSink, close: Callable[[], None] | None = None, *, count_rows: bool = False) -> TracedRun:
    """Begin to trace into any sink of events; see :func:`autolog`."""
    spark = functools.partial(trace_spark, count_rows=count_rows)
    return TracedRun(sink, (trace_estimators, trace_functions, follow_columns, trace_keras, spark), close)
