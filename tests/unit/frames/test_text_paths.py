"""Strings have the same bytes whichever way they are encoded: from Arrow memory, through Arrow, or without it."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError
from mistique_core.frames import EncodedColumn, LogicalType, decode_column, encode_column, text
from mistique_core.frames.text import take_text

QUICK = settings(deadline=None, max_examples=40)
ITEMS = st.lists(st.text(max_size=5) | st.none(), max_size=8)


def by_value(items: list[str | None], code: int) -> dict[str, bytes]:
    """Return the parts, made one value at a time."""
    encoded = [(item or "").encode("utf-8", "surrogatepass") for item in items]
    missing = np.array([code if item is None else 0 for item in items], "u1")
    parts = {"text": b"".join(encoded), "lengths": np.array([len(item) for item in encoded], "<i4").tobytes()}
    return {**parts, "missing": missing.tobytes()} if missing.any() else parts


def parts(series: pd.Series) -> dict[str, bytes]:
    """Return the parts that the column is stored as."""
    return {name: part.tobytes() for name, part in encode_column("c", series).parts.items()}


@pytest.mark.parametrize(("dtype", "code"), [("object", 1), ("str", 2), ("string[python]", 3), ("string[pyarrow]", 3)])
@QUICK
@given(items=ITEMS, first=st.integers(0, 3))
def test_equal_to_one_value_at_a_time(dtype: str, code: int, items: list[str | None], first: int) -> None:
    """Slices too, whose Arrow memory starts somewhere in the middle."""
    series = pd.Series(items, dtype=dtype).iloc[first:]
    assert parts(series) == by_value(items[first:], code)


@QUICK
@given(items=st.lists(st.text(st.characters(exclude_categories=()), max_size=4) | st.none(), max_size=8))
def test_without_pyarrow(items: list[str | None]) -> None:
    """A column of Python strings has the same bytes where pyarrow is not installed."""
    series = pd.Series(items, dtype=object)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        without = parts(series)
    assert without == parts(series) == by_value(items, 1)


def test_several_arrow_chunks() -> None:
    """What pandas concatenated lies in several pieces."""
    series = pd.concat([pd.Series(["a", None], dtype="str"), pd.Series(["bc"], dtype="str")])
    assert parts(series) == by_value(["a", None, "bc"], 2)


@QUICK
@given(items=st.lists(st.text(max_size=4), min_size=1, max_size=9), data=st.data())
def test_taking_few_and_many_rows(items: list[str], data: st.DataObject) -> None:
    """Any rows, repeated and in any order, by both ways of finding where they start."""
    encoded = encode_column("c", pd.Series(items, dtype=object)).parts
    wanted = data.draw(st.lists(st.integers(0, len(items) - 1), max_size=20))
    taken = take_text(encoded["text"], encoded["lengths"], np.array(wanted, dtype=np.intp))
    assert taken.tobytes().decode() == "".join(items[position] for position in wanted)


@pytest.mark.parametrize("words", [["a", "bc", "größer", ""], ["x", "\ud800"], list(map(str, range(50_000)))])
@pytest.mark.parametrize("compiled", [True, False])
def test_long_columns(monkeypatch: pytest.MonkeyPatch, words: list[str], compiled: bool) -> None:
    """Of few and of many different strings, with every way to be missing; whether or not equal ones are found."""
    if not compiled:
        monkeypatch.setattr(text, "kernels", None)
    random = np.random.default_rng(len(words))
    values = np.array([*words, None, np.nan, pd.NA], object)[random.integers(0, len(words) + 3, 70_000)]
    column = encode_column("c", pd.Series(values, dtype=object))
    decoded = decode_column(column)
    assert decoded.dtype == object
    assert all(
        (one is other) if one is None or one is pd.NA or one is np.nan else one == other
        for one, other in zip(values.tolist(), decoded.tolist(), strict=True)
    )


def test_lengths_that_contradict_each_other() -> None:
    """A negative length is damage too, wherever the sum is right."""
    logical = encode_column("c", pd.Series(["ab"], dtype=object)).logical
    lengths = np.array([3, -1] * 1_000, "i4")
    with pytest.raises(CorruptPartitionError, match="lengths"):
        decode_column(EncodedColumn(logical, 2_000, {"text": np.full(2_000, 97, "u1"), "lengths": lengths}))


def test_text_that_is_not_utf8_is_refused() -> None:
    """Damaged bytes never become a string in Arrow memory."""
    logical = encode_column("c", pd.Series(["ab"], dtype="string[pyarrow]")).logical
    column = EncodedColumn(logical, 1, {"text": np.array([0xFF, 0xFE], "u1"), "lengths": np.array([2], "i4")})
    assert LogicalType.from_json(logical.to_json()) == logical
    with pytest.raises(CorruptPartitionError, match="UTF-8"):
        decode_column(column)
