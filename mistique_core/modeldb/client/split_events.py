"""Events of splits into training and test rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mistique_core.fitted.facts.hyperparameters import as_json
from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import call_path, describe_as
from mistique_core.modeldb.client.data_source import DataSource, DataView, rows_of
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.workflows.split import SplitStage

NAME = "train_test_split"
_SEEDS = 2**31 - 1
_DEFAULT_TEST_SIZE = 0.25
_ROUNDING = 1e-12


def prepare_split(tracker: Tracker, call: TracedCall) -> None:
    """Fix the seed of a split before it is made.

    Without one it is drawn from NumPy's global state, as scikit-learn would draw from that: so a script that seeds it
    gets the same split every time, and the record says which seed makes it again.
    """
    state = call.kwargs.get("random_state")
    if state is None and call.kwargs.get("shuffle", True):
        call.kwargs = {**call.kwargs, "random_state": int(np.random.randint(_SEEDS))}
    elif isinstance(state, (np.random.RandomState, np.random.Generator)):
        draw = state.randint if isinstance(state, np.random.RandomState) else state.integers
        call.kwargs = {**call.kwargs, "random_state": int(draw(_SEEDS))}


def record_split(tracker: Tracker, call: TracedCall) -> None:
    """Record ``train_test_split``: one split of the data that all its arrays are columns of."""
    arrays = call.args
    views = [tracker.views.view(array, "x" if number == 0 else "y") for number, array in enumerate(arrays)]
    source, shown = _common_source(views, arrays)
    train, test = (DataSource(None, source.columns, output=name) for name in ("train", "test"))
    for made in (train, test):
        made.columns = _union(source, shown)
        made.has_names = source.has_names
        made.is_partial = source.is_partial or len(made.columns or ()) < len(source.columns or ())
    event = StageEvent(StageKind.SPLIT, NAME, call_path(call.function), NAME, **call.times)
    event.inputs = {"data": source.entity}
    _describe(tracker, event, call, source, views)
    if call.error is None:
        train.event = test.event = event
        train.rows, test.rows = rows_of(call.result[0]), rows_of(call.result[1])
        event.frames = {"train": train.entity, "test": test.entity}
        for number, names in enumerate(shown):
            tracker.views.adopt(call.result[2 * number], train, names)
            tracker.views.adopt(call.result[2 * number + 1], test, names)
    tracker.buffer.add(event)


def _common_source(views: list[DataView], arrays: tuple[Any, ...]) -> tuple[DataSource, list[tuple[str, ...] | None]]:
    """Return the data that is split, and which of its columns each array is.

    Arrays that are not columns of one known frame make such data together, side by side.
    """
    for view in views:
        if all(view.source.has(name, other.source) for other in views for name in other.columns or ("",)):
            return view.source, [other.columns for other in views]
    columns: dict[str, str] = {}
    shown: list[tuple[str, ...] | None] = []
    for view in views:
        taken = []
        for name in view.columns or ():
            free, number = name, 1
            while free in columns:
                number += 1
                free = f"{name}_{number}"
            columns[free] = (view.source.columns or {}).get(name, "")
            taken.append(free)
        shown.append(tuple(taken) if taken else None)
    has_names = all(view.source.has_names for view in views)
    return DataSource(rows_of(arrays[0]) if arrays else None, columns or None, has_names=has_names), shown


def _union(source: DataSource, shown: list[tuple[str, ...] | None]) -> dict[str, str] | None:
    """Return the columns that any array has, in the order of the source."""
    wanted = {name for names in shown for name in names or ()}
    return None if source.columns is None else {name: kind for name, kind in source.columns.items() if name in wanted}


def _describe(tracker: Tracker, event: StageEvent, call: TracedCall, source: DataSource, views: list[DataView]) -> None:
    options = call.kwargs
    seed = options.get("random_state")
    total = rows_of(call.args[0]) if call.args else None
    rows = rows_of(call.result[1]) if call.error is None and call.result else None
    share = _test_share(options, total, rows)
    stratify = options.get("stratify")
    column = None if stratify is None else _column_of(tracker, source, stratify)
    event.facts = {"seed": seed, "weights": None if share is None else [1 - share, share]}
    has_known_groups = stratify is None or column is not None
    if share is None or not has_known_groups or not options.get("shuffle", True) or not source.has_names:
        plain = {name: value for name, value in options.items() if name != "stratify"}
        event.params = {**as_json(plain), "stratify": column if stratify is None or column else True}
        if total and rows is not None:
            event.facts = {"seed": seed, "weights": [1 - rows / total, rows / total]}
        return
    stage = SplitStage(share, seed, column)
    describe_as(event, stage)


def _test_share(options: Any, total: int | None, rows: int | None) -> float | None:
    """Return the share of test rows that makes the same split, or ``None`` where numbers of rows were given."""
    test, train = options.get("test_size"), options.get("train_size")
    if not all(size is None or isinstance(size, (float, np.floating)) for size in (test, train)):
        return None
    if test is None:
        share = _DEFAULT_TEST_SIZE if train is None else 1 - float(train)
    else:
        share = float(test)
        if train is not None and abs(float(train) + share - 1) > _ROUNDING:
            return None
    is_same = total is None or rows is None or math.ceil(share * total) == rows
    return share if is_same and 0 < share < 1 else None


def _column_of(tracker: Tracker, source: DataSource, groups: Any) -> str | None:
    view = tracker.views.find(groups)
    if view is None or view.columns is None or len(view.columns) != 1:
        return None
    (name,) = view.columns
    # Side by side with other data, arrays keep their names.
    return name if source.has(name, view.source) or name in (source.columns or {}) else None
