"""Every supported column comes back bit for bit, whatever the size of the row blocks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.frames import EncodedColumn, LogicalType, decode_column, encode_column, join_blocks, take_rows

QUICK = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
ROWS = st.integers(0, 9)
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
NUMPY = [*INTEGERS, "f2", "f4", "f8", "c8", "c16", "?", ">i4", ">f8"]
NULLABLE = ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean"]
TEXT = st.text(max_size=6)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=4)
MISSING = [None, float("nan"), pd.NA]


def through_blocks(column: EncodedColumn, block_rows: int) -> EncodedColumn:
    """Cut into blocks as the store does: all-zero ``missing`` parts are left out."""
    blocks = [
        {name: part for name, part in block.items() if name != "missing" or part.any()}
        for block in column.blocks(block_rows)
    ]
    logical = LogicalType.from_json(column.logical.to_json())
    parent = None if column.categories is None else through_blocks(column.categories, block_rows)
    return join_blocks(logical, blocks, parent)


def check(series: pd.Series, block_rows: int) -> None:
    """Round trip, compared by pandas (dtype, missing values) and by bits."""
    column = through_blocks(encode_column("c", series), block_rows)
    values = decode_column(column)
    back = pd.Series(values, dtype=values.dtype)
    assert back.dtype == series.dtype
    same(back, series)
    if isinstance(series.dtype, np.dtype) and series.dtype != object:
        assert back.to_numpy().tobytes() == series.to_numpy().tobytes()
    if series.dtype == object:
        assert [kind(item) for item in back] == [kind(item) for item in series]
    positions = np.arange(len(series))[::-2]
    taken = decode_column(take_rows(column, positions))
    same(pd.Series(taken, dtype=taken.dtype), pd.Series(series.array[::-2], dtype=series.dtype))


def same(back: pd.Series, series: pd.Series) -> None:
    """Compare numbers by bits (pandas' arithmetic warns on some, and knows no big-endian ones), the rest by pandas."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufc":
        assert back.to_numpy().tobytes() == series.to_numpy().tobytes()
    else:
        pd.testing.assert_series_equal(back, series, check_names=False)


def kind(item: object) -> object:
    """Tell None, NaN and NA apart, which pandas' own comparison does not."""
    return item if isinstance(item, str) else type(item)


@pytest.mark.parametrize("dtype", NUMPY)
@QUICK
@given(data=st.data(), rows=ROWS, block_rows=st.integers(1, 10))
def test_numpy_bits(dtype: str, data: st.DataObject, rows: int, block_rows: int) -> None:
    """Any bit pattern survives: signed zeros, subnormals and NaN payloads included."""
    size = np.dtype(dtype).itemsize
    if dtype == "?":
        array = data.draw(hnp.arrays(dtype, rows))
    else:
        array = np.frombuffer(data.draw(st.binary(min_size=rows * size, max_size=rows * size)), dtype)
    check(pd.Series(array), block_rows)


def test_a_nan_payload_is_kept() -> None:
    """A signalling NaN with a payload is not the quiet NaN."""
    bits = np.array([0x7FF0000000000ABC, 0xFFF8000000000001, 0x7FF8000000000000], "u8")
    values = decode_column(encode_column("c", pd.Series(bits.view("f8"))))
    assert np.asarray(values).view("u8").tolist() == bits.tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("family", ["M8", "m8"])
@QUICK
@given(ticks=st.lists(st.integers(-(2**40), 2**40) | st.none(), max_size=8), block_rows=st.integers(1, 9))
def test_times(family: str, unit: str, ticks: list[int | None], block_rows: int) -> None:
    """Points in time and durations keep their unit and NaT."""
    values = np.array([np.iinfo("i8").min if tick is None else tick for tick in ticks], "i8")
    series = pd.Series(values.view(f"{family}[{unit}]"))
    assert str(series.dtype).endswith(f"[{unit}]")
    check(series, block_rows)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/St_Johns", "+05:30", "dateutil/Europe/Paris"])
def test_time_zones(unit: str, zone: str) -> None:
    """Zone and unit come back, across the hour that occurs twice; or the zone is refused with a remedy."""
    hours = np.arange(12) * 3600
    utc = pd.Series(pd.DatetimeIndex((1_729_980_000 + hours).astype("M8[s]")).as_unit(unit).tz_localize("UTC"))
    series = utc.dt.tz_convert(zone)
    series.iloc[3] = pd.NaT
    if zone.startswith("dateutil"):
        with pytest.raises(ValueError, match=r"column 'c' has dtype .*convert"):
            encode_column("c", series)
        return
    for block_rows in (1, 5, 100):
        check(series, block_rows)


@pytest.mark.parametrize("storage", ["python", "pyarrow"])
@pytest.mark.parametrize("missing", [np.nan, pd.NA], ids=["nan", "NA"])
@QUICK
@given(items=st.lists(TEXT | st.none(), max_size=8), block_rows=st.integers(1, 9))
def test_string_dtypes(storage: str, missing: object, items: list[str | None], block_rows: int) -> None:
    """Both string dtypes of pandas, on both storages."""
    check(pd.Series(items, dtype=pd.StringDtype(storage=storage, na_value=missing)), block_rows)


@QUICK
@given(items=st.lists(ANY_TEXT | st.sampled_from(MISSING), max_size=8), block_rows=st.integers(1, 9))
def test_objects_of_text(items: list[object], block_rows: int) -> None:
    """Lone surrogates, NUL and every mixture of None, NaN and NA."""
    check(pd.Series(items, dtype=object), block_rows)


@pytest.mark.parametrize("dtype", NULLABLE)
@QUICK
@given(data=st.data(), block_rows=st.integers(1, 9))
def test_nullable(dtype: str, data: st.DataObject, block_rows: int) -> None:
    """Masked integers, floats and booleans."""
    plain = pd.array([], dtype=dtype).dtype.numpy_dtype
    items = data.draw(st.lists(hnp.from_dtype(plain, allow_nan=False) | st.none(), max_size=8))
    check(pd.Series([pd.NA if item is None else item for item in items], dtype=dtype), block_rows)


CATEGORIES = {
    "int": pd.Index([3, -1, 7]),
    "float": pd.Index([0.5, -0.0, 2.0]),
    "str": pd.Index(["b", "a", ""]),
    "object": pd.Index(["b", "a", "\ud800"], dtype=object),
    "time": pd.DatetimeIndex(["2020-01-01", "2019-01-01", "2021-01-01"], tz="Europe/Paris"),
    "bool": pd.Index([True, False]),
    "none": pd.Index([], dtype=object),
}


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("categories", CATEGORIES)
@QUICK
@given(data=st.data(), block_rows=st.integers(1, 9))
def test_categoricals(categories: str, ordered: bool, data: st.DataObject, block_rows: int) -> None:
    """Codes, categories (their order and dtype) and orderedness; unused categories too."""
    index = CATEGORIES[categories]
    codes = data.draw(st.lists(st.integers(-1, len(index) - 1), max_size=8))
    dtype = pd.CategoricalDtype(index, ordered=ordered)
    series = pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))
    check(series, block_rows)
    back = decode_column(encode_column("c", series))
    assert list(back.categories) == list(index)
    assert back.ordered is ordered


def test_many_categories_use_wide_codes() -> None:
    """More categories than int8 can number."""
    labels = [f"label {number}" for number in range(70_000)]
    series = pd.Series(pd.Categorical(labels, categories=labels))
    assert encode_column("c", series).parts["codes"].dtype == np.int32
    check(series, 4096)


@pytest.mark.parametrize("dtype", [*NUMPY, *NULLABLE, "M8[ns]", "m8[s]", "str", "string", "object", "category"])
@pytest.mark.parametrize("rows", [0, 1])
def test_empty_and_single_rows(dtype: str, rows: int) -> None:
    """No row and one row are columns like any other."""
    values = ["x"] * rows if dtype in ("str", "string", "object", "category") else np.ones(rows, "i8")
    series = pd.Series(values, dtype=object if dtype == "category" else None).astype(dtype)
    check(series, 3)


def test_a_strided_view_is_stored_by_its_values() -> None:
    """A column of a row-major array is not contiguous."""
    table = np.arange(12.0).reshape(4, 3)
    check(pd.DataFrame(table, columns=list("abc"))["b"], 3)
