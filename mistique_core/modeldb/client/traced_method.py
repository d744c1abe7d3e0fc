"""Methods that are called as before, and recorded."""

from __future__ import annotations

import functools
from typing import Any

from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.tracker import Step, Tracker


def traced_method(tracker: Tracker, method: Any, name: str, record: Step, prepare: Step | None = None) -> Any:
    """Return a method that does what another one does, and records it.

    Parameters
    ----------
    tracker
        Who records it.
    method, name
        The other one, a function that takes the object first, and what it is called.
    record, prepare
        See :meth:`Tracker.make`.
    """

    @functools.wraps(method)
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracker.is_listening:
            return method(self, *args, **kwargs)
        return tracker.make(TracedCall(self, name, method, args, kwargs), record, prepare)

    return traced
