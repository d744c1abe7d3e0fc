"""A session: what several calls log is collected in memory and written in full partitions (thesis 5.3).

This is the thesis's InMemoryStore: a buffer pool with a limit in bytes. What it holds becomes visible when
it is flushed: when the buffer is full, when the session ends, or on request. Until then a thread encodes what
it holds, while the caller makes what comes next.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.engine.commit import Pending
from mistique_core.engine.write_ahead import WriteAhead
from mistique_core.errors import InvalidInputError
from mistique_core.model import LogReport

if TYPE_CHECKING:
    from mistique_core.store.mistique import Mistique
    from mistique_core.store.run import Run


class Session:
    """Collects frames and arrays; as a context manager it flushes at its end.

    What is logged is copied, so that the caller may change it afterwards. An error inside the ``with`` block
    discards what was not flushed yet.

    Attributes
    ----------
    reports
        One report for everything flushed so far, in the order in which it was logged.
    buffered_bytes
        Bytes of values that wait.
    """

    def __init__(self, store: Mistique, limit_bytes: int) -> None:
        self._store = store
        self._limit = limit_bytes
        self._waiting: list[Pending[LogReport]] = []
        self._held: dict[bytes, npt.NDArray[Any]] = {}
        self._ahead = WriteAhead(store.committer)
        self._is_open = True
        self.reports: list[LogReport] = []
        self.buffered_bytes = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        try:
            if error is None:
                self.flush()
        finally:
            self._ahead.close()
            self._forget()

    def log_frame(self, run: Run, intermediate: str, frame: pd.DataFrame, **options: Any) -> None:
        """Collect a frame as an intermediate of `run`; options as in :meth:`Run.log_frame`.

        Raises
        ------
        InvalidInputError
            If the frame cannot be stored, or the session has ended; what was collected before stays.
        """
        self._check_open()
        self._add(run.prepare_frame(intermediate, frame, **options))

    def log_array(self, run: Run, intermediate: str, values: npt.NDArray[Any], **options: Any) -> None:
        """Collect an array of units as an intermediate of `run`; options as in :meth:`Run.log_array`.

        Raises
        ------
        InvalidInputError
            If the array cannot be stored, or the session has ended; what was collected before stays.
        """
        self._check_open()
        self._add(run.prepare_array(intermediate, values, **options))

    def flush(self) -> list[LogReport]:
        """Write and register everything that waits, all of it or nothing; return its reports."""
        if not self._waiting:
            return []
        reports = self._store.committer.commit(self._waiting, self._ahead.take())
        self.reports.extend(reports)
        self._forget()
        return reports

    def _add(self, item: Pending[LogReport]) -> None:
        arrays = item.outputs.arrays
        for address, array in arrays.items():
            if address not in self._held:
                self._held[address] = np.array(array, copy=True)
                self.buffered_bytes += array.nbytes
            arrays[address] = self._held[address]
        self._waiting.append(item)
        self._ahead.add(item.outputs)
        if self.buffered_bytes >= self._limit:
            self.flush()

    def _forget(self) -> None:
        self._waiting, self._held, self.buffered_bytes = [], {}, 0

    def _check_open(self) -> None:
        if not self._is_open:
            raise InvalidInputError("the session has ended; open another one with store.session()")
