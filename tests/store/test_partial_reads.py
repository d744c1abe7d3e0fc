"""Row sets, row ranges and predicates read no more than they must, and equal pandas."""

import operator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
from mistique_core.planner import Fetched

ROWS = 30_000
RANDOM = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "time": np.arange(ROWS) * 10,
        "price": np.where(RANDOM.random(ROWS) < 0.1, np.nan, RANDOM.lognormal(5, 1, ROWS).round(2)),
        "rooms": pd.array(RANDOM.integers(0, 9, ROWS), dtype="Int16"),
        "text": RANDOM.choice(["abc", "d", "", None, "größer"], ROWS).astype(object),
        "kind": pd.Categorical(RANDOM.choice(["x", "y"], ROWS)),
        "noise": RANDOM.normal(size=ROWS),
        "day": np.datetime64("2020-01-01") + RANDOM.integers(0, 900, ROWS).astype("m8[D]"),
    },
    index=pd.Index(RANDOM.permutation(ROWS) + 5, name="row_id"),
)
FRAME.loc[FRAME.index % 7 == 0, "rooms"] = pd.NA
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store with one table in ten row blocks."""
    folder = tmp_path_factory.mktemp("partial")
    with Mistique.open(folder, block_rows=3_000) as store:
        store.log_frame("p", "m", "x", FRAME)
    return folder


def tally(store: Mistique, key: str, **selection: Any) -> tuple[pd.DataFrame, Fetched]:
    """Return an answer and what reading it fetched."""
    result = store.get_intermediates(key, strategy="read", **selection)
    assert result.plan.fetched is not None
    return result.frame, result.plan.fetched


@pytest.mark.parametrize("count", [1, 2, 10, 500, 29_999])
def test_row_sets(home: Path, count: int) -> None:
    """Any rows in any order, of every type."""
    ids = RANDOM.permutation(FRAME.index)[:count]
    with Mistique.open(home, cache_bytes=0) as store:
        answer = store.get_intermediates("p.m.x", row_id=ids).frame
    pd.testing.assert_frame_equal(answer, FRAME.loc[ids], check_exact=True)


def test_few_rows_fetch_few_bytes(home: Path) -> None:
    """One row of a column does not fetch its row block, let alone the column."""
    with Mistique.open(home, cache_bytes=0) as store:
        whole, all_bytes = tally(store, "p.m.x.noise")
        one, few = tally(store, "p.m.x.noise", row_id=[int(FRAME.index[12_345])])
    assert one["noise"].item() == FRAME["noise"].iloc[12_345]
    assert few.stored_bytes * 8 < all_bytes.stored_bytes
    assert len(whole) == ROWS


@pytest.mark.parametrize(
    "bounds", [(None, None), (100, 200), (-50, 6), (29_990, 99_999), (7, 7), (None, 40), (29_000, None)]
)
def test_row_ranges(home: Path, bounds: tuple[int | None, int | None]) -> None:
    """From the first (inclusive) to the second (exclusive), in stored order; missing ids are no error."""
    low, high = bounds
    inside = np.ones(ROWS, bool)
    inside &= (FRAME.index >= low) if low is not None else True
    inside &= (FRAME.index < high) if high is not None else True
    with Mistique.open(home) as store:
        answer = store.get_intermediates(["p.m.x.price", "p.m.x.text"], row_id=slice(low, high)).frame
    pd.testing.assert_frame_equal(answer, FRAME.loc[inside, ["price", "text"]], check_exact=True)


@pytest.mark.parametrize("bad", [slice(0, 10, 2), slice(0.5, 3), slice("a", None)])
def test_bad_ranges(home: Path, bad: slice) -> None:
    """A step or a bound that is no integer."""
    with Mistique.open(home) as store, pytest.raises(InvalidInputError, match="row_id="):
        store.get_intermediates("p.m.x.price", row_id=bad)


@pytest.mark.parametrize("symbol", list(OPERATORS))
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("time", 123_450),
        ("time", -1),
        ("price", 100.0),
        ("price", 1e9),
        ("rooms", 3),
        ("noise", 0.25),
        ("noise", np.inf),
    ],
)
def test_predicates_equal_pandas(home: Path, column: str, symbol: str, value: float) -> None:
    """Zone maps never change an answer."""
    with Mistique.open(home, cache_bytes=0) as store:
        answer = store.get_intermediates("p.m.x", where=(column, symbol, value)).frame
    mask = OPERATORS[symbol](FRAME[column], value).fillna(False).astype(bool)
    pd.testing.assert_frame_equal(answer, FRAME[mask], check_exact=True)


def test_predicates_skip_blocks(home: Path) -> None:
    """A range of an ordered column touches the blocks that it lies in."""
    with Mistique.open(home, cache_bytes=0) as store:
        _, every = tally(store, "p.m.x.noise", where=("noise", ">", -99.0))
        found, few = tally(store, "p.m.x.noise", where=[("time", ">=", 120_000), ("time", "<", 120_500)])
        nothing, none = tally(store, "p.m.x.noise", where=("time", "==", 5_000_000))
    assert every.skipped_chunks == 0
    assert few.skipped_chunks >= 5
    assert few.stored_bytes * 3 < every.stored_bytes
    np.testing.assert_array_equal(found["noise"], FRAME["noise"].iloc[12_000:12_050])
    assert none.skipped_chunks == 10
    assert nothing.empty


def test_several_predicates_with_rows_and_dates(home: Path) -> None:
    """All must hold; types that have no zone map are compared as pandas does."""
    ids = FRAME.index[100:20_000:3]
    with Mistique.open(home) as store:
        where = [("day", ">", pd.Timestamp("2021-06-01")), ("kind", "==", "y"), ("rooms", "in", [1, 2, 8])]
        answer = store.get_intermediates("p.m.x", row_id=ids, where=where).frame
    part = FRAME.loc[ids]
    mask = (part["day"] > "2021-06-01") & (part["kind"] == "y") & part["rooms"].isin([1, 2, 8]).fillna(False)
    pd.testing.assert_frame_equal(answer, part[mask], check_exact=True)


def test_arrow_shares_memory_with_numpy(home: Path) -> None:
    """Numbers without NaN are handed over without a copy; NaN and NA become null."""
    with Mistique.open(home) as store:
        result = store.get_intermediates("p.m.x")
        table = result.to_arrow()
    assert table.column_names == ["row_id", *FRAME.columns]
    assert table["price"].null_count == int(FRAME["price"].isna().sum())
    assert table["rooms"].null_count == int(FRAME["rooms"].isna().sum())
    noise = result.frame["noise"].to_numpy()
    address = table["noise"].chunk(0).buffers()[1].address
    assert address == noise.__array_interface__["data"][0]
    assert table["text"].to_pylist() == [None if pd.isna(value) else value for value in FRAME["text"]]
