"""What reading stored columns takes: t_read of Eq. 5.4, its seeks, bytes and reconstruction told apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mistique_core.cost.rates import Work

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

QUERY = "query"
ROWS_OF_PAGE = 4_096
"""A stored chunk of plain values is read by pages, of about this many rows."""


@dataclass(frozen=True)
class WantedRows:
    """How many rows are wanted, and how they lie.

    Attributes
    ----------
    count
        Number of rows.
    positions
        Where they lie in stored order, int64 (count,); ``None`` where nobody knows: then they lie anywhere.
    """

    count: int
    positions: npt.NDArray[np.int64] | None = None

    def touched(self, rows: int, together: int) -> float:
        """Return how many pieces of `together` rows, out of those of `rows` rows, hold a wanted row."""
        pieces = -(-rows // max(together, 1))
        if self.positions is None or pieces <= 1:
            return float(min(self.count, pieces))
        import numpy as np  # plans are made where arrays are; forms and DAG files only name strategies

        return float(min(len(np.unique(self.positions // together)), pieces))


def wanted_rows(rows: int | WantedRows | None) -> WantedRows | None:
    """Return `rows` as wanted rows; ``None`` stands for all rows."""
    return WantedRows(rows) if isinstance(rows, int) else rows


@dataclass(frozen=True)
class StoredPart:
    """Columns that are stored alike and read together.

    Attributes
    ----------
    encoding
        How values are reconstructed: a logical type, or a lossy scheme.
    stored_bytes, chunks
        Encoded bytes and chunks of all rows.
    decoded_bytes
        Bytes that reconstructing all rows makes; of units, those of the whole group.
    output_bytes
        Those of them that are asked for.
    rows, block_rows
        All rows, and those of a row block.
    page_rows
        Rows that are reconstructed together where not all are wanted; ``None`` where whole row blocks are.
    """

    encoding: str
    stored_bytes: float
    chunks: float
    decoded_bytes: float
    output_bytes: float
    rows: int
    block_rows: int
    page_rows: int | None = None


def read_work(parts: Iterable[StoredPart], rows: WantedRows | None = None) -> dict[str, float]:
    """Return the work of reading columns, without what every query costs.

    Parameters
    ----------
    parts
        The columns.
    rows
        The wanted rows; ``None`` for all.
    """
    work: dict[str, float] = {}
    for part in parts:
        chunks = pieces = shown = 1.0
        if rows is not None and part.rows:
            blocks = max(1, -(-part.rows // max(part.block_rows, 1)))
            chunks = pieces = rows.touched(part.rows, part.block_rows) / blocks
            shown = min(1.0, rows.count / part.rows)
            if part.page_rows is not None and part.page_rows < part.block_rows:
                pages = -(-part.rows // part.page_rows)
                pieces = min(pieces, rows.touched(part.rows, part.page_rows) / pages)
        for term, amount in (
            ("chunk", part.chunks * chunks),
            ("stored", part.stored_bytes * pieces),
            ("decoded", part.decoded_bytes * pieces),
            ("output", part.output_bytes * shown),
        ):
            name = f"{term}.{part.encoding}"
            work[name] = work.get(name, 0.0) + amount
    return work


def add_work(*works: Work) -> dict[str, float]:
    """Return the sum of some work."""
    total: dict[str, float] = {}
    for work in works:
        for term, amount in work.items():
            total[term] = total.get(term, 0.0) + amount
    return total
