"""Tracing of Keras: a callback that listens to ``fit``, added to every call of it."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from mistique_core.fitted.facts import keras_facts
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.after_import import when_imported
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.prediction_events import record_prediction
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.traced_method import traced_method
from mistique_core.modeldb.client.tracker import Tracker

_SETTINGS = ("batch_size", "epochs", "validation_split", "shuffle", "initial_epoch", "steps_per_epoch")


def _listener(curves: dict[str, list[float]]) -> Any:
    """Return a callback that appends the metrics of each epoch to `curves`."""
    import keras

    class Listener(keras.callbacks.Callback):  # type: ignore[misc]
        """Keeps the metrics of each epoch, also of a training that fails later."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """See Keras: takes what the epoch measured."""
            for name, value in (logs or {}).items():
                curves.setdefault(str(name), []).append(float(value))

    return Listener()


def _prepare(tracker: Tracker, call: TracedCall) -> None:
    curves: dict[str, list[float]] = {}
    given = call.kwargs.get("callbacks")
    if given is None or isinstance(given, (list, tuple)):
        listeners = [*(given or ()), _listener(curves)]
    elif hasattr(given, "append"):
        given.append(_listener(curves))
        listeners = given
    else:
        listeners = [given, _listener(curves)]
    call.kwargs = {**call.kwargs, "callbacks": listeners}
    call.before["curves"] = curves


def _record_fit(tracker: Tracker, call: TracedCall) -> None:
    network, curves = call.target, call.before.get("curves", {})
    settings = {name: call.kwargs[name] for name in _SETTINGS if name in call.kwargs}
    x, y = call.argument(0, "x"), call.argument(1, "y")
    if len(call.args) > 2:
        settings["batch_size"] = call.args[2]
    if len(call.args) > 3:
        settings["epochs"] = call.args[3]
    data = tracker.views.view(x)
    label = None if y is None else tracker.views.view(y, "y")
    is_own = label is not None and not all(data.source.has(name, label.source) for name in label.columns or ("",))
    facts = keras_facts(network, curves, settings)
    event = StageEvent(
        StageKind.FIT,
        type(network).__name__,
        "keras:Model.fit",
        type(network).__name__,
        params=settings,
        inputs={"data": data.source.entity, **({"y": label.source.entity} if is_own and label is not None else {})},
        metrics={name: values[-1] for name, values in curves.items() if values and math.isfinite(values[-1])},
        metrics_on=data.source.entity,
        hyperparameters=facts.hyperparameters,
        **call.times,
    )
    if call.error is None:
        entity = TransformerEntity(facts)
        event.fitted = {"model": entity}
        event.metrics_of = entity
        tracker.models.remember(network, KnownModel(entity, event, data))
    tracker.buffer.add(event, begins_fit=True)


def trace_keras(replaced: Replaced, tracker: Tracker) -> None:
    """Trace ``fit`` and ``predict`` of Keras models: now, or as soon as the script imports Keras."""

    def patch(keras: ModuleType) -> None:
        for name, record, prepare in (("fit", _record_fit, _prepare), ("predict", record_prediction, None)):
            method = getattr(keras.Model, name)
            replaced.attribute(keras.Model, name, traced_method(tracker, method, name, record, prepare))

    when_imported(replaced, "keras", "Model", patch)
