"""A chunk that holds a matching value is never ruled out, however the comparison is made."""

import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.partition import Zone, may_match, zone_of
from tests.unit.partition.chunk_values import FLOATS, INTEGERS, SPECIAL, columns

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
HUGE = 10**400
SCALARS = (
    st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, -1, HUGE, -HUGE, 2**24 + 1, 2**53 + 1, 2**63, 2**64 - 1])
    | st.floats()
    | st.sampled_from(SPECIAL)
    | st.floats(width=32).map(np.float32)
    | st.floats(width=16).map(np.float16)
    | st.integers(-128, 127).map(np.int8)
    | st.integers(0, 2**64 - 1).map(np.uint64)
    | st.booleans()
)


@st.composite
def values_of(draw: st.DrawFn, array: np.ndarray) -> Any:
    """Draw a number to compare with: often one of the chunk's, or its neighbour, as one of several types."""
    if draw(st.booleans()):
        return draw(SCALARS)
    value = array[draw(st.integers(0, array.size - 1))]
    change = draw(st.sampled_from(["none", "python", "float", "next", "before", "numpy64"]))
    if change == "python":
        return value.item()
    if change == "float":
        return float(value)
    if change in ("next", "before"):
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.nextafter(float(value), np.inf if change == "next" else -np.inf))
    return np.float64(value) if change == "numpy64" else value


def exactly(array: np.ndarray, symbol: str, value: Any) -> bool:
    """Whether any value matches in exact arithmetic."""
    other = value.item() if isinstance(value, np.generic) else value
    return any(COMPARE[symbol](item, other) for item in array.tolist())


def by_numpy(array: np.ndarray, symbol: str, value: Any) -> bool:
    """Whether any value matches as NumPy compares them, which may round one to the type of the other."""
    with np.errstate(all="ignore"):
        try:
            return bool(np.any(COMPARE[symbol](array, value)))
        except OverflowError:
            return False


@settings(deadline=None, max_examples=800)
@given(st.data(), st.sampled_from(sorted(COMPARE)))
def test_no_matching_chunk_is_ruled_out(data: st.DataObject, symbol: str) -> None:
    """Against each value, exactly and as NumPy does it."""
    array = data.draw(columns(sizes=(1, 2, 30)))
    value = data.draw(values_of(array))
    zone = zone_of(array)
    assert zone is not None
    if exactly(array, symbol, value) or by_numpy(array, symbol, value):
        assert may_match(zone, array.dtype.str, symbol, value)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_chunk_with_one_of_several_is_ruled_out(data: st.DataObject) -> None:
    """``in`` against Python, and against pandas, which finds NaN too."""
    array = data.draw(columns(sizes=(1, 2, 30), dtypes=(*INTEGERS, "<f4", "<f8")))
    wanted = data.draw(st.lists(values_of(array), max_size=4))
    zone = zone_of(array)
    assert zone is not None
    found = any(exactly(array, "==", value) for value in wanted)
    if not any(isinstance(value, int) and abs(value) > 2**60 for value in wanted):
        plain = [getattr(value, "item", lambda v=value: v)() for value in wanted]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "invalid value encountered in cast")  # pandas' own, on huge floats
            found = found or bool(pd.Series(array).isin(plain).any())
    if found:
        assert may_match(zone, array.dtype.str, "in", wanted)


@given(columns(sizes=(0, 1, 64, 300)))
def test_the_range_is_that_of_the_values(array: np.ndarray) -> None:
    """Smallest, largest and number of NaN; the bytes are those of an item."""
    zone = zone_of(array)
    if not array.size:
        assert zone is None
        return
    assert zone is not None
    some = array[array == array]
    assert zone.nulls == array.size - some.size
    if not some.size:
        assert (zone.low, zone.high) == (None, None)
        return
    assert zone.low is not None
    assert zone.high is not None
    assert np.frombuffer(zone.low, array.dtype)[0] == some.min()
    assert np.frombuffer(zone.high, array.dtype)[0] == some.max()


def test_what_has_no_order_has_no_zone() -> None:
    """Rows of several numbers, and flags."""
    assert zone_of(np.zeros((3, 2))) is None
    assert zone_of(np.array([True, False])) is None


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_chunks_are_ruled_out(dtype: str) -> None:
    """A zone that never ruled anything out would pass all of the above."""
    zone = zone_of(np.array([20, 40], dtype))
    assert zone is not None
    assert not may_match(zone, dtype, "==", 41)
    assert not may_match(zone, dtype, "==", 19.5)
    assert not may_match(zone, dtype, "<", 20)
    assert not may_match(zone, dtype, "<=", 19)
    assert not may_match(zone, dtype, ">", 40)
    assert not may_match(zone, dtype, ">=", 41)
    assert not may_match(zone, dtype, ">", HUGE)
    assert not may_match(zone, dtype, "==", float("nan"))
    assert not may_match(zone, dtype, "in", [1, 50, float("nan")])
    assert not may_match(zone, dtype, "in", [])


@pytest.mark.parametrize("value", ["a", None, True, 1 + 2j, np.datetime64("2020-01-01"), pd.NA])
def test_when_in_doubt_a_chunk_is_read(value: object) -> None:
    """Whatever is no plain number."""
    zone = zone_of(np.array([20.0, 40.0]))
    assert zone is not None
    assert all(may_match(zone, "<f8", symbol, value) for symbol in COMPARE)
    assert may_match(zone, "<f8", "in", [value])


@pytest.mark.parametrize("value", [iter([1.0]), 1.0, None, np.array(1.0)], ids=["iterator", "number", "none", "scalar"])
def test_what_is_no_collection_is_left_to_the_comparison(value: object) -> None:
    """An iterator is left as it was, and anything else is for the comparison to refuse."""
    zone = zone_of(np.array([20.0, 40.0]))
    assert zone is not None
    assert may_match(zone, "<f8", "in", value)
    if isinstance(value, Iterator):
        assert list(value) == [1.0]


@pytest.mark.parametrize("make", [list, tuple, set, np.array, pd.Series, pd.Index])
def test_any_collection_is_looked_at(make: Callable[[list[float]], Any]) -> None:
    """Whatever holds several numbers."""
    zone = zone_of(np.array([20.0, 40.0]))
    assert zone is not None
    assert may_match(zone, "<f8", "in", make([1.0, 30.0]))
    assert not may_match(zone, "<f8", "in", make([1.0, 50.0]))


def test_nan_only() -> None:
    """No comparison but != and in finds NaN."""
    zone = Zone(None, None, 3)
    assert [symbol for symbol in COMPARE if may_match(zone, "<f8", symbol, 1.0)] == ["!="]
    assert may_match(zone, "<f8", "in", [1.0, float("nan")])
    assert not may_match(zone, "<f8", "in", [1.0])
