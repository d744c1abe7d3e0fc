"""Events of random splits of data frames."""

from __future__ import annotations

import random
import sys

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.frames import new_source, take_over_items, view_of

NAME = "randomSplit"
_TWO = ("train", "test")


def prepare_split(tracker: Tracker, call: TracedCall) -> None:
    """Draw the seed of a split that was given none, as Spark would: the record can then repeat it."""
    if call.argument(1, "seed") is None:
        args = call.args[:1]
        call.args, call.kwargs = args, {**call.kwargs, "seed": random.randint(0, sys.maxsize)}  # noqa: S311


def record_split(tracker: Tracker, call: TracedCall) -> None:
    """Record ``randomSplit``: of two parts, the first is for training, the second for testing."""
    data = view_of(tracker, call.target)
    weights, seed = [float(weight) for weight in call.argument(0, "weights")], call.argument(1, "seed")
    total = sum(weights) or 1.0
    event = StageEvent(
        StageKind.SPLIT,
        NAME,
        f"pyspark.sql:DataFrame.{NAME}",
        NAME,
        params={"weights": weights, "seed": seed},
        inputs={"data": data.source.entity},
        facts={"seed": seed, "weights": [weight / total for weight in weights]},
        **call.times,
    )
    if call.error is None:
        names = _TWO if len(call.result) == len(_TWO) else [f"part_{number}" for number in range(len(call.result))]
        for name, frame in zip(names, call.result, strict=True):
            source = new_source(tracker, frame, event=event, output=name)
            take_over_items(tracker, source, data.source)
            event.frames = {**event.frames, name: source.entity}
            tracker.views.adopt(frame, source)
    tracker.buffer.add(event)
