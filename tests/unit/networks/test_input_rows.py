"""Whatever batches the input comes in, the same row blocks come out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.networks.held_rows import HeldRows
from mistique_core.networks.input_rows import read_input

NAMES = ("a", "b")


def rows_of(blocks: Iterator[Any]) -> tuple[list[int], Any, Any, Any]:
    found = list(blocks)
    return (
        [len(block.row_ids) for block in found],
        np.concatenate([block.row_ids for block in found]),
        np.concatenate([block.values["a"] for block in found]),
        np.concatenate([block.values["b"] for block in found]),
    )


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=8), block_rows=st.integers(1, 12), named=st.booleans())
def test_batches_are_cut_anew(lengths: list[int], block_rows: int, named: bool) -> None:
    rows = sum(lengths)
    if not rows:
        return
    a, b = np.arange(rows * 2).reshape(rows, 2), np.arange(rows) * 0.5
    ids = np.arange(rows)[::-1] + 5

    def batches() -> Iterator[Any]:
        start = 0
        for length in lengths:
            piece = slice(start, start + length)
            yield {"a": a[piece], "b": b[piece], "row_id": ids[piece]} if named else (a[piece], b[piece])
            start += length

    sizes, found_ids, found_a, found_b = rows_of(read_input(batches, NAMES, block_rows))
    assert all(size == block_rows for size in sizes[:-1])
    assert 0 < sizes[-1] <= block_rows
    np.testing.assert_array_equal(found_ids, ids if named else np.arange(rows))
    np.testing.assert_array_equal(found_a, a)
    np.testing.assert_array_equal(found_b, b[:, None])


def test_one_array_a_list_for_several_inputs_and_batches_are_told_apart() -> None:
    a = np.arange(6.0).reshape(3, 2)
    for given_, names, expected in (
        (a, ("a",), {"a": a}),
        ([a, a + 1], ("a", "b"), {"a": a, "b": a + 1}),
        ({"b": a, "a": a + 1}, ("a", "b"), {"a": a + 1, "b": a}),
        ([a, a + 1], ("a",), {"a": np.concatenate([a, a + 1])}),
        (iter([a]), ("a",), {"a": a}),
    ):
        (block,) = read_input(lambda value=given_: value, names, 100)
        assert set(block.values) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(block.values[name], array)


def test_a_generator_may_hand_out_one_buffer_again() -> None:
    buffer, ids = np.empty((3, 2)), np.empty(3, np.int64)

    def batches() -> Iterator[Any]:
        for number in range(4):
            buffer[:] = number
            ids[:] = np.arange(3) + number * 3
            yield {"a": buffer, "row_id": ids}

    blocks = list(read_input(batches, ("a",), 3))
    assert [block.values["a"].tolist() for block in blocks] == [[[number] * 2] * 3 for number in range(4)]
    assert [block.row_ids.tolist() for block in blocks] == [[3 * n, 3 * n + 1, 3 * n + 2] for n in range(4)]


@given(rows=st.integers(1, 30), block_rows=st.integers(1, 12), data=st.data())
def test_rows_that_are_held(rows: int, block_rows: int, data: st.DataObject) -> None:
    array = np.arange(rows * 2).reshape(rows, 2)
    held = HeldRows([block.values["a"] for block in read_input(lambda: array, ("a",), block_rows)])
    positions = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=9))
    np.testing.assert_array_equal(held.take(np.array(positions, np.intp)), array[positions])
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first + 1, rows))
    for start, stop in (
        (first, last),
        (first // block_rows * block_rows, min(first // block_rows * block_rows + block_rows, rows)),
    ):
        np.testing.assert_array_equal(held.slice(start, stop), array[start:stop])
