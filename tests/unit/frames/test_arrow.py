"""Frames as Arrow tables, compared with what pyarrow itself gives back as pandas."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mistique_core.errors import UnsupportedColumnError
from mistique_core.frames.arrow import arrow_schema, arrow_table

N = 4
FRAME = pd.DataFrame(
    {
        "ordered": pd.Categorical(["a", None, "b", "a"], ["b", "a", "unused"], ordered=True),
        "numbers": pd.Categorical([3, 1, None, 3]),
        "rome": pd.to_datetime(["2020-01-01", "2020-07-01", None, "2021-01-01"]).tz_localize("Europe/Rome"),
        "offset": pd.to_datetime(["2020-01-01"] * N).tz_localize("+02:30"),
        "day": pd.to_datetime(["2020-01-01", None, "2020-01-03", "2020-01-04"]).astype("M8[s]"),
        "took": pd.to_timedelta([1, None, 2, 3], unit="s"),
        "small": pd.array([1, None, 3, 4], "UInt8"),
        "flag": pd.array([True, None, False, True], "boolean"),
        "yes": [True, False, True, True],
        "float": [1.5, np.nan, 2.5, 3.5],
        "half": np.arange(N).astype("f2"),
        "swapped": np.arange(N).astype(">f4"),
        "object": pd.Series(["x", None, "z", "ü"], dtype=object),
        "text": pd.Series(["x", None, "z", "ü"], dtype="str"),
        "python": pd.array(["x", None, "z", ""], "string[python]"),
    },
)
FRAME.index = pd.Index([9, 8, -7, 6], name="row_id")


def test_types_are_those_that_pandas_shows() -> None:
    """Categories, time zones, units of time and nullable integers stay what they are."""
    types = {field.name: str(field.type) for field in arrow_schema(FRAME)}
    assert types == {
        "row_id": "int64",
        "ordered": "dictionary<values=large_string, indices=int8, ordered=1>",
        "numbers": "dictionary<values=int64, indices=int8, ordered=0>",
        "rome": "timestamp[us, tz=Europe/Rome]",
        "offset": "timestamp[us, tz=+02:30]",
        "day": "timestamp[s]",
        "took": f"duration[{np.datetime_data(FRAME['took'].dtype)[0]}]",
        "small": "uint8",
        "flag": "bool",
        "yes": "bool",
        "float": "double",
        "half": "halffloat",
        "swapped": "float",
        "object": "large_string",
        "text": "large_string",
        "python": "large_string",
    }


def test_values_are_those_of_pandas() -> None:
    """Every value, as Python object, and nulls where pandas has NaN, NaT or NA."""
    table = arrow_table(FRAME)
    table.validate(full=True)
    assert table["row_id"].to_pylist() == [9, 8, -7, 6]
    for name in FRAME:
        column = table[name].combine_chunks()
        back = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
        expected = [None if pd.isna(value) else value for value in FRAME[name].astype(object)]
        assert back.to_pylist() == expected, name
    assert table["ordered"].combine_chunks().dictionary.to_pylist() == ["b", "a", "unused"]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_the_schema_does_not_depend_on_the_rows(rows: int) -> None:
    """So that batches of one stream fit together; a column of which all is missing too."""
    maps = np.arange(N * 6, dtype="f4").reshape(N, 2, 3)
    whole = arrow_table(FRAME, {"map": maps}).schema
    assert arrow_table(FRAME.iloc[:rows], {"map": maps[:rows]}).schema == whole
    missing = FRAME.iloc[1:2]
    assert arrow_table(missing, {"map": maps[:1]}).schema == whole


def test_a_map_is_a_tensor_of_fixed_shape() -> None:
    """pyarrow gives back the array that went in, also where its memory is in another order."""
    maps = np.asfortranarray(np.random.default_rng(1).standard_normal((N, 3, 5)).astype("f4"))
    column = arrow_table(FRAME[[]], {"unit": maps})["unit"].combine_chunks()
    np.testing.assert_array_equal(column.to_numpy_ndarray(), maps)
    assert column.type.shape == [3, 5]


@pytest.mark.parametrize(
    "values", [pd.Series([1j] * N), pd.Series(["\ud800"] * N, dtype=object)], ids=["complex", "half a surrogate"]
)
def test_what_arrow_cannot_hold_is_refused(values: pd.Series) -> None:
    """One line that names the column and says what to do."""
    with pytest.raises(UnsupportedColumnError, match=r"'odd'.*leave it out"):
        arrow_table(pd.DataFrame({"odd": values.set_axis(FRAME.index)}))


def test_without_pyarrow_the_error_names_the_extra() -> None:
    """In a process in which pyarrow cannot be imported."""
    program = """
import sys
sys.modules["pyarrow"] = None
from mistique_core.errors import InvalidInputError
from mistique_core.frames.arrow import require_pyarrow
try:
    require_pyarrow("to_arrow()")
except InvalidInputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "to_arrow() needs pyarrow; install it with: pip install 'mistique-airflow[arrow]'"
