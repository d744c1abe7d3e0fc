"""Columns that cannot be stored losslessly are refused with their name and a remedy."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mistique_core.errors import UnsupportedColumnError
from mistique_core.frames import encode_column

REFUSED = {
    "period": (pd.Series(pd.period_range("2020", periods=2, freq="M")), "to_timestamp"),
    "interval": (pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2])), "left"),
    "binned": (pd.cut(pd.Series([1.0, 2.0]), 2), "left"),
    "sparse": (pd.Series(pd.arrays.SparseArray([0, 1])), "to_dense"),
    "arrow": (pd.Series([1, 2], dtype=pd.ArrowDtype(pa.int64())), "convert_dtypes"),
    "longdouble": (pd.Series(np.ones(2, np.longdouble)), "float64"),
    "clongdouble": (pd.Series(np.ones(2, np.clongdouble)), "astype"),
    "lists": (pd.Series([[1], [2]], dtype=object), "astype"),
    "numbers": (pd.Series([1, "a"], dtype=object), "astype"),
    "dates": (pd.Series([datetime.date(2020, 1, 1)], dtype=object), "astype"),
    "decimals": (pd.Series([decimal.Decimal("1.5")], dtype=object), "astype"),
    "bytes": (pd.Series([b"a"], dtype=object), "astype"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_names_the_column_and_a_remedy(case: str) -> None:
    """The message is enough to act on."""
    series, remedy = REFUSED[case]
    with pytest.raises(UnsupportedColumnError) as caught:
        encode_column("my column", series)
    text = str(caught.value)
    assert "'my column" in text
    assert remedy in text
    assert "\n" not in text


def test_refusal_names_the_first_bad_row() -> None:
    """Of a long column the offending row is shown, shortened."""
    series = pd.Series(["a", "b", ["x" * 500], 3], dtype=object)
    with pytest.raises(UnsupportedColumnError, match="row 2: list") as caught:
        encode_column("c", series)
    assert len(str(caught.value)) < 300
