"""Models in files: where they were saved, and what they are when they are loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mistique_core.model.event import TransformerEntity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.session import active_run
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.memory import SparkMemory
from mistique_core.modeldb.spark.model_facts import model_facts
from mistique_core.modeldb.spark.models import model_of, remember_model
from mistique_core.modeldb.spark.stages import is_model
from mistique_core.spark.environment import require_spark

OnSaved = Callable[[TransformerEntity], None]


def record_saved(tracker: Tracker, call: TracedCall, on_saved: OnSaved) -> None:
    """Note where a model was saved.

    Parameters
    ----------
    tracker, call
        Who records it, and which call of ``save``.
    on_saved
        Called with the model, whose ``filepath`` is new, if it is recorded already.
    """
    if call.error is not None or not is_model(call.target):
        return
    path = str(call.argument(0, "path"))
    entity = model_of(tracker, call.target)
    entity.filepath = path
    known = tracker.models.find(call.target)
    if known is not None:
        tracker.memory(SparkMemory).saved[path] = known
    if entity.id is not None:
        on_saved(entity)


def load(path: str) -> Any:
    """Load what ``save`` or ``saveSync`` of a model, an estimator or a transformer of Spark has written.

    Its class is looked up in what was written. With an active run, a model that the run saved there is known as the
    same model; any other is one that was fitted elsewhere, and is recorded with the path when it is used.

    Parameters
    ----------
    path
        Where it was saved.

    Returns
    -------
    pyspark.ml.Model
        The model, or whatever else was saved.

    Raises
    ------
    InvalidInputError
        If PySpark is missing.
    """
    if "pyspark" not in sys.modules:
        require_spark("load")
    run = active_run()
    if run is None or not run.tracker.is_listening:
        return _load(path)
    return run.tracker.make(TracedCall(None, "load", _load, (path,), {}), _record_loaded)


def _load(path: str) -> Any:
    from pyspark.ml.util import DefaultParamsReader
    from pyspark.sql import SparkSession

    return DefaultParamsReader.loadParamsInstance(path, SparkSession.active())


def _record_loaded(tracker: Tracker, call: TracedCall) -> None:
    if call.error is not None or not is_model(call.result):
        return
    path = str(call.args[0])
    known = tracker.memory(SparkMemory).saved.get(path)
    if known is None:
        known = KnownModel(TransformerEntity(model_facts(call.result), filepath=path))
    remember_model(tracker, call.result, known)
