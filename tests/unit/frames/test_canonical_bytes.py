"""Equal columns have equal bytes, however they were made; unequal ones do not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from mistique_core.frames import encode_column


def stored(series: pd.Series) -> tuple[object, ...]:
    """Return everything of a column that its address depends on."""
    column = encode_column("c", series)
    parts = tuple((name, part.dtype.str, part.tobytes()) for name, part in sorted(column.parts.items()))
    parent = None if column.categories is None else stored(pd.Series(series.cat.categories))
    return column.logical.to_json(), parts, parent


def hidden_values() -> tuple[pd.Series, pd.Series]:
    """Return two equal nullable columns with different garbage under the mask."""
    mask = np.array([False, True, False])
    return tuple(pd.Series(pd.arrays.IntegerArray(np.array([1, junk, 3]), mask.copy())) for junk in (7, 99))


def strings() -> tuple[pd.Series, pd.Series]:
    """Return equal strings, one of them a slice of something longer."""
    long = pd.Series(["x", "a", None, "b", "y"], dtype="str")
    return long.iloc[1:4].reset_index(drop=True), pd.Series(["a", np.nan, "b"], dtype="str")


def strided() -> tuple[pd.Series, pd.Series]:
    """Return equal numbers, one of them every second item of an array."""
    return pd.Series(np.arange(10)[::2]), pd.Series([0, 2, 4, 6, 8])


@pytest.mark.parametrize("make", [hidden_values, strings, strided])
def test_equal_columns_have_equal_bytes(make: Callable[[], tuple[pd.Series, pd.Series]]) -> None:
    """What pandas calls equal is stored once."""
    first, second = make()
    pd.testing.assert_series_equal(first, second)
    assert stored(first) == stored(second)


DIFFERENT = [
    pd.Series([1, 0], dtype="i8"),
    pd.Series([1, 0], dtype="i4"),
    pd.Series([1, 0], dtype="u8"),
    pd.Series([1, 0], dtype=">i8"),
    pd.Series([1, 0], dtype="Int64"),
    pd.Series([1, None], dtype="Int64"),
    pd.Series([1, 0], dtype="f8"),
    pd.Series([1, -0.0], dtype="f8"),
    pd.Series([True, False]),
    pd.Series([True, False], dtype="boolean"),
    pd.Series(["1", "0"], dtype=object),
    pd.Series(["1", "0"], dtype="str"),
    pd.Series(["1", "0"], dtype="string"),
    pd.Series(["10", ""], dtype=object),
    pd.Series(["1", None], dtype=object),
    pd.Series(["1", np.nan], dtype=object),
    pd.Series(["1", pd.NA], dtype=object),
    pd.Series(["1", "0"], dtype="category"),
    pd.Series(["1", "0"], dtype=pd.CategoricalDtype(["0", "1"], ordered=True)),
    pd.Series(["1", "0"], dtype=pd.CategoricalDtype(["1", "0"])),
    pd.Series([1, 0], dtype="M8[ns]"),
    pd.Series([1, 0], dtype="M8[s]"),
    pd.Series([1, 0], dtype="m8[ns]"),
    pd.Series([1, 0], dtype="M8[ns]").dt.tz_localize("UTC"),
]


def test_different_columns_have_different_bytes() -> None:
    """Type, order, missing values and orderedness are all part of what is stored."""
    assert len({stored(series) for series in DIFFERENT}) == len(DIFFERENT)
