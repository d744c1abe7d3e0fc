"""Whether the row ids of frames that follow each other are unique, without keeping those that are numbered."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError

RowIds = npt.NDArray[np.int64]


class SeenRowIds:
    """Row ids met so far: of frames whose ids are consecutive numbers only the range, of others 8 bytes a row."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._others: list[RowIds] = []

    def add(self, ids: RowIds) -> None:
        """Take the row ids of a frame, int64 (n,), which are unique among themselves."""
        if not len(ids):
            return
        first, last = int(ids.min()), int(ids.max())
        if last - first != len(ids) - 1:
            self._others.append(ids)
        elif self._ranges and self._ranges[-1][1] + 1 == first:
            self._ranges[-1] = (self._ranges[-1][0], last)
        else:
            self._ranges.append((first, last))

    def check(self, what: str) -> None:
        """Raise :class:`InvalidInputError` if a row id came twice.

        Parameters
        ----------
        what
            What was logged, for the message.
        """
        repeated = self._repeated()
        if repeated is not None:
            raise InvalidInputError(
                f"row_id of {what} is not unique: {repeated} occurs more than once; drop the duplicates or give "
                "another row_id"
            )

    def _repeated(self) -> int | None:
        ordered = sorted(self._ranges)
        for (_, last), (first, _) in pairwise(ordered):
            if first <= last:
                return first
        if not self._others:
            return None
        ids = np.sort(np.concatenate(self._others))
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        if len(twice):
            return int(ids[twice[0]])
        if ordered:
            starts = np.array([first for first, _ in ordered])
            ends = np.array([last for _, last in ordered])
            place = np.searchsorted(starts, ids, side="right") - 1
            inside = (place >= 0) & (ids <= ends[np.maximum(place, 0)])
            if inside.any():
                return int(ids[inside][0])
        return None
