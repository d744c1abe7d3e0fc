"""What logging one intermediate did, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from mistique_core.model.ref import IntermediateRef


@dataclass(frozen=True)
class LogReport:
    """Outcome of logging one intermediate.

    Attributes
    ----------
    ref
        Reference to the committed intermediate.
    columns
        Number of columns, the row ids not counted.
    logical_bytes
        Bytes of the values as logged, before dedup and compression.
    stored_bytes
        Bytes that this call added to the store's partitions.
    new_columns
        Columns whose content was not stored before.
    seconds
        Wall time of the call.
    """

    ref: IntermediateRef
    columns: int
    logical_bytes: int
    stored_bytes: int
    new_columns: int
    seconds: float
