"""Which row blocks of an intermediate a task does, where several tasks share them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mistique_core.errors import InvalidInputError

_SHARE = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*")
_RANGE = re.compile(r"\s*[\[(]\s*(\d+)\s*,\s*(\d+)\s*[\])]\s*")
"""As a template renders a list to a text."""


@dataclass(frozen=True)
class BlockShare:
    """A range of row blocks, or one of several equal shares of all of them.

    Attributes
    ----------
    first, end
        Row blocks from `first` (inclusive, from 0) to `end` (exclusive); or, where `shares` is given, the numbers of
        shares, from 0.
    shares
        Into how many shares all row blocks are divided; ``None`` where `first` and `end` are row blocks themselves.
    """

    first: int
    end: int
    shares: int | None = None

    @classmethod
    def parse(cls, value: Any) -> BlockShare:
        """Return what a user wrote: ``[first, end]``, or a text such as ``"2/4"``, the second of four shares.

        Raises
        ------
        InvalidInputError
            If it is neither, or names no row block.
        """
        if isinstance(value, BlockShare):
            return value
        if isinstance(value, range):
            value = [value.start, value.stop] if value.step == 1 else None
        given = value
        if isinstance(given, str):
            found = _SHARE.fullmatch(given)
            number, shares = map(int, found.groups()) if found else (0, 0)
            if 1 <= number <= shares:
                return cls(number - 1, number, shares)
            pair = _RANGE.fullmatch(given)
            given = [int(item) for item in pair.groups()] if pair else given
        if isinstance(given, Sequence) and len(given) == 2 and all(type(item) is int for item in given):
            first, end = given
            if 0 <= first < end:
                return cls(first, end)
        raise InvalidInputError(
            f"blocks={value!r} is no range of row blocks; give [first, end], end exclusive, or a share such as '1/4'"
        )

    def of(self, blocks: int, what: str) -> range:
        """Return the row blocks of an intermediate that has `blocks` of them; a share of few may have none.

        Parameters
        ----------
        blocks
            How many there are.
        what
            What they are row blocks of, for the error message.

        Raises
        ------
        InvalidInputError
            If the range goes beyond the last row block.
        """
        if self.shares is not None:
            return range(self.first * blocks // self.shares, self.end * blocks // self.shares)
        if self.end > blocks:
            raise InvalidInputError(
                f"row block {max(self.first, blocks)} does not exist: {what} has {blocks} row blocks, numbered from 0"
            )
        return range(self.first, self.end)
