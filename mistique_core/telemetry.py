"""What the store does, as numbers: one log line with fields for each activity, and whoever subscribes gets the same.

The line is ``name field=value ...`` on the logger ``mistique_core.telemetry`` at INFO; a handler that keeps structure
finds the fields in the record's attribute ``mistique``. Airflow's tasks hand them on to StatsD or OpenTelemetry
(``operators/metrics.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

Value = str | int | float | bool


@dataclass(frozen=True)
class Activity:
    """Something that the store has done.

    Attributes
    ----------
    name
        ``stage``, ``query``, ``capture``, ``gc`` or ``compact``.
    fields
        What there is to say about it; names end in the unit where there is one.
    """

    name: str
    fields: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{name}={_text(value)}" for name, value in self.fields.items())])


Subscriber = Callable[[Activity], None]

_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> None:
    """Have a function called after each activity of this process; once, however often it is subscribed.

    It is called by whatever thread was active, and must be quick. An error of it is logged, and changes nothing.
    """
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


def unsubscribe(subscriber: Subscriber) -> None:
    """No longer call a function; one that is not subscribed is not an error."""
    if subscriber in _subscribers:
        _subscribers.remove(subscriber)


def report(name: str, **fields: Value | None) -> None:
    """Tell of an activity; fields that are ``None`` are not known and left out."""
    activity = Activity(name, {name: value for name, value in fields.items() if value is not None})
    log.info("%s", activity, extra={"mistique": {"activity": name, **activity.fields}})
    for subscriber in list(_subscribers):
        try:
            subscriber(activity)
        except Exception:
            log.exception("a subscriber of MISTIQUE's telemetry failed on %s", activity)


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return repr(text) if " " in text or "=" in text or not text else text
