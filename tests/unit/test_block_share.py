"""What a user may write for the row blocks of a task."""

from __future__ import annotations

from typing import Any

import pytest

from mistique_core.errors import InvalidInputError
from mistique_core.model import BlockShare


@pytest.mark.parametrize(
    ("value", "blocks"),
    [
        ([2, 5], range(2, 5)),
        ((0, 10), range(10)),
        (range(3, 4), range(3, 4)),
        ("[0, 4]", range(4)),
        ("1/3", range(3)),
        (" 2 / 3 ", range(3, 6)),
        ("3/3", range(6, 10)),
    ],
)
def test_ten_row_blocks(value: Any, blocks: range) -> None:
    assert BlockShare.parse(value).of(10, "homes") == blocks


@pytest.mark.parametrize("shares", range(1, 15))
def test_shares_are_all_row_blocks_once(shares: int) -> None:
    every = [block for n in range(shares) for block in BlockShare.parse(f"{n + 1}/{shares}").of(10, "homes")]
    assert every == list(range(10))


@pytest.mark.parametrize("value", [[0.5, 2.7], [True, 2], [3], [2, 2], "0/3", "4/3", "a", None, 7, "[2, 1]"])
def test_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="is no range of row blocks"):
        BlockShare.parse(value)


def test_beyond_the_last() -> None:
    with pytest.raises(InvalidInputError, match="row block 10 does not exist: homes has 10 row blocks"):
        BlockShare.parse([8, 12]).of(10, "homes")
