"""Row ids of an intermediate: a page of them, or a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.intermediates import IntermediateRecord
from mistique_core.engine.frame_reader import FrameReader

RowIds = npt.NDArray[np.int64]


def page_of_rows(
    connection: sa.Connection, reader: FrameReader, record: IntermediateRecord, start: int, stop: int
) -> RowIds:
    """Return the row ids at places `start` (inclusive) to `stop` (exclusive) in stored order, int64."""
    return reader.row_index(connection, record).ids[max(0, start) : max(0, stop)]


def sample_of_rows(
    connection: sa.Connection, reader: FrameReader, record: IntermediateRecord, size: int, seed: int = 0
) -> RowIds:
    """Return `size` row ids drawn without replacement, the same for the same seed, in stored order; all if fewer."""
    ids = reader.row_index(connection, record).ids
    if len(ids) <= size:
        return ids
    places = np.random.default_rng(seed).choice(len(ids), size, replace=False)
    return ids[np.sort(places)]
