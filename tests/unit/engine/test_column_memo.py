"""The memo of column versions never gives a version that plain hashing would not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.catalogue.chunks import NewColumn
from mistique_core.dedup import chunk_hash
from mistique_core.engine.column_hasher import hash_column, hash_columns
from mistique_core.engine.column_memo import ColumnMemo
from mistique_core.frames import EncodedColumn, encode_column
from mistique_core.frames.logical_type import LogicalType

VALUES = 5_000
BLOCK = 2_000


def encoded(array: np.ndarray) -> EncodedColumn:
    """Return an array, which is not copied, as a column."""
    return EncodedColumn(LogicalType("numeric", array.dtype.str), len(array), {"values": array})


def version(memo: ColumnMemo, array: np.ndarray) -> NewColumn:
    """Hash an array with a memo; every chunk that comes along has its address."""
    hashed = hash_column(encoded(array), BLOCK, memo)
    for _, block, address in hashed.versions[-1].chunks:
        assert chunk_hash(hashed.arrays[address]) == address == chunk_hash(array[block * BLOCK : (block + 1) * BLOCK])
    return hashed.versions[-1]


def plain(array: np.ndarray) -> NewColumn:
    """Hash an array without a memo."""
    return hash_column(encoded(array), BLOCK).versions[-1]


@pytest.mark.parametrize("most", [0, 3, 100])
def test_changed_memory_is_noticed(most: int) -> None:
    """Whatever is written into an array between two looks, at any time, in any place."""
    memo = ColumnMemo(most)
    array = np.arange(float(VALUES))
    for step in range(6):
        assert version(memo, array) == plain(array)
        array[step * 7 % VALUES] = -1.0 - step
        assert version(memo, array) == plain(array)
        assert version(memo, array) == plain(array)


def test_memory_that_is_used_again() -> None:
    """A new array at the place of one that is gone is another array."""
    memo = ColumnMemo(1000)
    places = set()
    for seed in range(50):
        array = np.random.default_rng(seed).normal(size=VALUES)
        places.add(array.ctypes.data)
        assert version(memo, array) == version(memo, array) == plain(array)
        del array
    assert len(places) < 50


def test_views_of_one_memory_differ() -> None:
    """The same bytes as another dtype or shape have another address."""
    memo = ColumnMemo(1000)
    array = np.zeros(VALUES)
    views = [array, array.view("i8"), array.reshape(-1, 2), array[:-1], array[1:]]
    for _ in range(3):
        found = [version(memo, view) for view in views]
        assert found == [plain(view) for view in views]


def test_frames_that_share_memory_with_pandas() -> None:
    """Columns that pandas passes on, and writes into, by its own rules."""
    memo = ColumnMemo(1000)
    frame = pd.DataFrame({"a": np.arange(float(VALUES)), "b": np.ones(VALUES)})
    for step in range(5):
        frame = frame.assign(c=step)
        frame.loc[step, "a"] = -5.0
        for name in ("a", "b"):
            values = np.ascontiguousarray(frame[name].to_numpy())
            assert version(memo, values) == plain(values)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, VALUES - 1), st.floats()), max_size=30))
def test_any_order_of_writes_and_looks(steps: list[tuple[int, int, float]]) -> None:
    """Three arrays, written and looked at in any order, with room for two."""
    memo = ColumnMemo(2)
    arrays = [np.zeros(VALUES) for _ in range(3)]
    for which, position, value in steps:
        arrays[which][position] = value
        assert version(memo, arrays[which]) == plain(arrays[which])


def test_every_part_and_fact_counts() -> None:
    """Texts whose gaps, lengths or bytes changed, categories, and the length of blocks."""
    memo = ColumnMemo(1000)
    words = pd.Series(["a", "bc", None, "def"] * VALUES)
    gaps = pd.Series(range(VALUES), dtype="Int64")
    days = words.fillna("x").astype("category")
    for _ in range(3):
        for block in (BLOCK, 3_000):
            for series in (words, gaps, days):
                column = encode_column("x", series)
                assert hash_column(column, block, memo).versions == hash_column(column, block).versions
                for part in column.parts.values():
                    if part.flags.writeable:
                        part[-1] ^= 1
                        assert hash_column(column, block, memo).versions == hash_column(column, block).versions
        days = days.cat.rename_categories([f"{name}!" for name in days.cat.categories])


COLUMNS = {
    "float64": np.arange(VALUES) / 7,
    "float16": np.arange(VALUES).astype("<f2"),
    "int8": np.arange(VALUES).astype("i1"),
    "bool": np.arange(VALUES) % 3 == 0,
    "big-endian": np.arange(VALUES).astype(">i4"),
    "datetime": np.arange(VALUES).astype("M8[s]"),
    "timedelta": np.arange(VALUES).astype("m8[ms]"),
    "complex": np.arange(VALUES) * 1j,
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_kind_is_hashed_as_without_a_memo(kind: str) -> None:
    """At the first look, at the next ones, and after something was written into it."""
    memo = ColumnMemo(1000)
    array = COLUMNS[kind].copy()
    series = pd.Series(array, copy=False)
    for step in range(3):
        for _ in range(2):
            (ours,) = hash_columns([("x", series)], BLOCK, None, memo=memo)
            (expected,) = hash_columns([("x", series)], BLOCK, None)
            assert ours.versions == expected.versions
            assert {address: chunk.tobytes() for address, chunk in ours.arrays.items()} == {
                address: chunk.tobytes() for address, chunk in expected.arrays.items()
            }
            assert all(chunk_hash(chunk) == address for address, chunk in ours.arrays.items())
        array[step * 11] = array[step * 11 + 5]


def test_every_other_row_of_a_column_is_hashed_by_its_values() -> None:
    """A column that does not lie end to end in memory."""
    series = pd.Series(np.arange(2.0 * VALUES))[::2]
    (ours,) = hash_columns([("x", series)], BLOCK, None, memo=ColumnMemo(10))
    (expected,) = hash_columns([("x", series.copy())], BLOCK, None)
    assert ours.versions == expected.versions
