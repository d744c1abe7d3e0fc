"""Events of reading data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mistique_core.model.event import StageEvent, StageKind
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.callable_names import describe_as, described, is_json
from mistique_core.modeldb.client.data_source import DataSource, columns_of, rows_of
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.workflows.read import ReadCsvStage


def record_read_csv(tracker: Tracker, call: TracedCall) -> None:
    """Record ``pandas.read_csv``: as the stage that does the same, if it read a file whole and with JSON arguments."""
    path = call.argument(0, "filepath_or_buffer")
    options = {name: value for name, value in call.kwargs.items() if name != "filepath_or_buffer"}
    if len(call.args) > 1:
        options["sep"] = call.args[1]
    where = _where(path)
    is_frame = call.error is not None or hasattr(call.result, "columns")
    is_stage = bool(where) and "://" not in where and is_json(options) and is_frame
    stage = ReadCsvStage(where, None, options if is_json(options) else None)
    event = StageEvent(
        StageKind.READ,
        "read_csv",
        "pandas:read_csv",
        "read_csv",
        params={"path": where, "options": described(options)},
        **call.times,
    )
    if is_stage:
        describe_as(event, stage)
    if call.error is None and is_frame:
        columns, _ = columns_of(call.result)
        source = DataSource(rows_of(call.result), columns, event=event, filepath=where)
        event.frames = {"": source.entity}
        tracker.views.adopt(call.result, source)
    tracker.buffer.add(event)


def _where(path: Any) -> str:
    """Return where data was read from: an absolute path, so that it is found from elsewhere; "" for a buffer."""
    if not isinstance(path, (str, os.PathLike)):
        return ""
    text = os.fspath(path)
    return text if "://" in text else str(Path(text).expanduser().absolute())
