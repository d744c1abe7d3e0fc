"""The cost model of thesis section 5.5: seconds to READ, seconds to RERUN, and gamma."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_PER_GB = 1e9
ROWS_READ_FOR_ONE = 4_096
"""A stored chunk is read by pages, of about this many rows."""
ROWS_STEP_SECONDS = 0.004
"""What re-running a stage for some rows costs besides its share of the measured time: rebuilding it from its record,
loading what it has learned, and pandas' cost of a call (2 to 10 ms a stage were seen)."""


@dataclass(frozen=True)
class ReadRate:
    """Measured rate of reading and decoding stored chunks on this host.

    Attributes
    ----------
    bytes_per_second
        Stored bytes read, decompressed and decoded in a second (rho_d of Eq. 5.4).
    chunk_seconds
        Seconds that each chunk costs whatever its size: seek, catalogue and decoder set-up.
    samples
        Number of measurements behind the rate.
    """

    bytes_per_second: float
    chunk_seconds: float
    samples: int = 0


ANY_RATE = ReadRate(1e9, 1e-4)
"""For plans in which no measured rate matters, because the strategy is given."""


@dataclass(frozen=True)
class StageCost:
    """Measured seconds of one stage, the terms of Eq. 5.2.

    Attributes
    ----------
    transformer_seconds
        Loading the stored transformer.
    exec_seconds
        Executing it on `rows` rows.
    rows
        Rows that `exec_seconds` was measured on.
    call_seconds
        What executing it costs however few rows it makes; ``None`` where nobody has measured it.
    """

    transformer_seconds: float
    exec_seconds: float
    rows: int
    call_seconds: float | None = None


def read_seconds(stored_bytes: int, chunks: int, rate: ReadRate) -> float:
    """Return t_read of Eq. 5.4, with the seek of each chunk stated apart."""
    return chunks * rate.chunk_seconds + stored_bytes / rate.bytes_per_second


def read_rows_seconds(stored_bytes: int, chunks: int, rows: int, blocks: int, wanted: int, rate: ReadRate) -> float:
    """Return t_read of Eq. 5.4 for some rows, which lie anywhere.

    Parameters
    ----------
    stored_bytes, chunks
        Of all rows.
    rows, blocks
        All rows, and the row blocks that they are stored in.
    wanted
        The rows to read.
    rate
        This host's.
    """
    touched_chunks = chunks * min(1.0, wanted / max(blocks, 1))
    touched_bytes = stored_bytes * min(1.0, wanted * ROWS_READ_FOR_ONE / max(rows, 1))
    return touched_chunks * rate.chunk_seconds + touched_bytes / rate.bytes_per_second


def rerun_seconds(stage: StageCost, input_seconds: float, wanted: int | None = None) -> float:
    """Return one stage's term of Eq. 5.2: load the transformer, load its input, execute.

    Parameters
    ----------
    stage
        Measured seconds of the stage.
    input_seconds
        Seconds to obtain its inputs, read or themselves re-run.
    wanted
        Rows to make, n_ex of Eq. 5.2; ``None`` for all.
    """
    if wanted is None:
        return stage.transformer_seconds + input_seconds + stage.exec_seconds
    share = min(1.0, wanted / max(stage.rows, 1))
    step_seconds = ROWS_STEP_SECONDS if stage.call_seconds is None else stage.call_seconds
    return stage.transformer_seconds + input_seconds + stage.exec_seconds * share + step_seconds


def gamma(rerun: float, read: float, queries: int, stored_bytes: float) -> float:
    """Return gamma of Eq. 5.5 in seconds of query time saved per GB stored.

    Parameters
    ----------
    rerun, read
        Seconds to re-run and to read the intermediate.
    queries
        Queries made to it so far.
    stored_bytes
        Its amortised stored size; 0 means that it costs nothing, and gamma is infinite if it helps.
    """
    saved = (rerun - read) * queries
    if stored_bytes <= 0:
        return float("inf") if saved > 0 else 0.0
    return saved / (stored_bytes / BYTES_PER_GB)
