"""What a stage needs of an input to give some rows of an output."""

from __future__ import annotations

from enum import Enum


class Need(Enum):
    """How much of an input frame a stage needs to give some rows of one output, what it learned being given.

    Attributes
    ----------
    ROWS
        The rows with the same row ids.
    WHOLE
        Every row, as for a look-up table or a mean over all rows.
    EXACT
        The rows with the same row ids, and not from a copy that a lossy scheme keeps: the stage was given the values
        themselves, before they were stored.
    NOTHING
        No row.
    """

    ROWS = "rows"
    WHOLE = "whole"
    EXACT = "exact"
    NOTHING = "nothing"
