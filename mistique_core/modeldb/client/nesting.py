"""Which calls a script makes itself, and which are made inside another call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_depths: dict[int, int] = {}
"""Thread -> number of traced calls that it is inside of."""


def is_nested() -> bool:
    """Return whether this thread is inside a traced call, or works for one that is.

    The threads of joblib's pools, in which scikit-learn fits the members of ensembles and the folds of
    cross-validations, know the thread that started them.
    """
    if not _depths:
        return False
    if threading.get_ident() in _depths:
        return True
    if "multiprocessing.dummy" not in sys.modules:
        return False
    from multiprocessing.dummy import DummyProcess

    thread: threading.Thread | None = threading.current_thread()
    while isinstance(thread, DummyProcess):
        thread = thread._parent
        if thread is not None and thread.ident in _depths:
            return True
    return False


@contextmanager
def nesting() -> Iterator[None]:
    """Make all calls nested, in this thread and in the pools that it starts."""
    thread = threading.get_ident()
    _depths[thread] = _depths.get(thread, 0) + 1
    try:
        yield
    finally:
        if _depths[thread] == 1:
            del _depths[thread]
        else:
            _depths[thread] -= 1
