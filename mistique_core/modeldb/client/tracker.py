"""The core of the clients: makes a call of the script, and records what it took and made."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mistique_core.fitted.facts import fit_facts, hyperparameters_of
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.column_views import ColumnViews
from mistique_core.modeldb.client.data_source import DataSource, DataView
from mistique_core.modeldb.client.event_buffer import EventBuffer, EventSink
from mistique_core.modeldb.client.known_models import KnownModel, KnownModels
from mistique_core.modeldb.client.nesting import is_nested, nesting

log = logging.getLogger(__name__)

_Memory = TypeVar("_Memory")


class Tracker:
    """Records the calls of one run.

    Parameters
    ----------
    sink
        Where events go.

    Attributes
    ----------
    views
        The data of the script.
    models
        Its fitted estimators.
    buffer
        Its events on their way.
    process
        Id of the process whose calls are recorded.
    is_stopped
        Whether calls are only made, and not recorded any more.
    predictions, evaluations
        The last ones, which further calls may belong to: addresses of model and data, or of predictions, -> what was
        made.
    """

    def __init__(self, sink: EventSink) -> None:
        self.buffer = EventBuffer(sink)
        self.views = ColumnViews(self._columns_changed)
        self.models = KnownModels()
        self.predictions: dict[tuple[int, int], tuple[DataSource, DataView]] = {}
        self.evaluations: dict[int, tuple[DataSource, StageEvent]] = {}
        self._memories: dict[type, Any] = {}
        self._has_complained = False
        self.process = os.getpid()
        self.is_stopped = False

    @property
    def is_listening(self) -> bool:
        """Whether a call made now is to be recorded: it is the script's own, and in the process of the run."""
        return not self.is_stopped and not is_nested() and os.getpid() == self.process

    def memory(self, kind: type[_Memory]) -> _Memory:
        """Return what a client remembers in this run: the one object of a class, made when it is first asked for."""
        if kind not in self._memories:
            self._memories[kind] = kind()
        found: _Memory = self._memories[kind]
        return found

    def make(self, call: TracedCall, record: Step, prepare: Step | None = None) -> Any:
        """Make a call and record it; return, or raise, exactly what the call does.

        Parameters
        ----------
        call
            The call; its function takes the target first, where there is one.
        record
            Makes the events of it, after it has ended.
        prepare
            Looks at its arguments before; may change them.
        """
        with nesting():
            if prepare is not None:
                self.quietly(prepare, call)
            target = () if call.target is None else (call.target,)
            call.started_at = time.time()
            try:
                call.result = call.function(*target, *call.args, **call.kwargs)
            except BaseException as error:
                call.ended_at = time.time()
                call.error = f"{type(error).__name__}: {error}"
                self.quietly(record, call)
                raise
            call.ended_at = time.time()
            self.quietly(record, call)
        result, call.result = call.result, None
        return result

    def quietly(self, step: Step, call: TracedCall) -> None:
        """Do a step of bookkeeping, which never fails the script: its error is logged, once with its traceback."""
        try:
            with self.buffer.lock:
                step(self, call)
        except Exception as error:
            if self._has_complained:
                log.warning("ModelDB: a call of %s is not recorded: %s", call.method, error)
            else:
                self._has_complained = True
                log.exception("ModelDB: a call of %s is not recorded; the script goes on", call.method)

    def model_of(self, estimator: Any) -> TransformerEntity:
        """Return the entity of a fitted estimator; one that was fitted elsewhere is looked at now."""
        known = self.models.find(estimator)
        if known is None:
            known = KnownModel(TransformerEntity(self.facts_of(estimator)))
            self.models.remember(estimator, known)
        return known.entity

    def facts_of(self, estimator: Any, X: Any = None, y: Any = None, **options: Any) -> FitFacts:
        """Return :func:`fit_facts`, or as much as is known about an estimator that these cannot be taken out of."""
        try:
            return fit_facts(estimator, X, y, **options)
        except Exception as error:
            log.warning("ModelDB: nothing is known about the inside of a %s: %s", type(estimator).__name__, error)
            return FitFacts(type(estimator).__name__, hyperparameters=hyperparameters_of(estimator))

    def forget_closed(self) -> None:
        """Forget predictions and evaluations that no further call can belong to."""
        is_open = self.buffer.is_open
        self.predictions = {
            key: item for key, item in self.predictions.items() if item[0].event is not None and is_open(item[0].event)
        }
        self.evaluations = {key: item for key, item in self.evaluations.items() if is_open(item[1])}

    def _columns_changed(self, before: DataSource, after: DataSource) -> None:
        now = time.time()
        event = StageEvent(
            StageKind.OTHER,
            "columns_changed",
            "pandas:DataFrame",
            "DataFrame",
            inputs={"data": before.entity},
            frames={"": after.entity},
            facts={"input_columns": list(before.columns or ()), "output_columns": list(after.columns or ())},
            started_at=now,
            ended_at=now,
        )
        after.event = event
        self.buffer.add(event)


Step = Callable[[Tracker, TracedCall], None]
"""Does the bookkeeping of a call."""
