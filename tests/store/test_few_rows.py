"""A few rows of many columns, straight into their places: as by the other reader, and nothing damaged passes."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.engine import column_rows
from mistique_core.errors import CorruptPartitionError
from mistique_core.native import page_kernels
from mistique_core.planner import Fetched

pytestmark = pytest.mark.skipif(page_kernels is None, reason="the reader of pages was not built (no C compiler)")

ROWS = 40_000
BLOCK_ROWS = 9_000
RANDOM = np.random.default_rng(3)
WORDS = np.array(["abc", "d", "", None, "größer", "yyyyyyy"], object)


def frame() -> pd.DataFrame:
    """Return columns of every kind; some values are missing from some row blocks only."""
    some = np.arange(ROWS) // BLOCK_ROWS % 2 == 1
    numbers = RANDOM.lognormal(5, 1, ROWS)
    made = {
        "cents": numbers.round(2),
        "near": np.where(RANDOM.random(ROWS) < 0.01, numbers.round(2) + 1, numbers.round(2)),
        "noise": RANDOM.normal(size=ROWS),
        "narrow": RANDOM.normal(size=ROWS).astype("f4"),
        "half": RANDOM.normal(size=ROWS).astype("f2"),
        "few": RANDOM.choice([1.5, np.nan, -0.0, 1e300], ROWS),
        "flag": RANDOM.random(ROWS) < 0.3,
        "small": RANDOM.integers(-3, 4, ROWS).astype("i2"),
        "wide": RANDOM.integers(-(2**60), 2**60, ROWS),
        "swapped": RANDOM.normal(size=ROWS).round(1).astype(">f8"),
        "day": np.datetime64("2020-01-01") + RANDOM.integers(0, 900, ROWS).astype("m8[D]"),
        "zone": pd.date_range("2020", periods=ROWS, freq="min", tz="Europe/Berlin"),
        "rooms": pd.array(np.where(some, RANDOM.integers(0, 9, ROWS), None), "Int16"),
        "known": pd.array(RANDOM.integers(0, 9, ROWS), "Int32"),
        "text": RANDOM.choice(WORDS, ROWS),
        "long": RANDOM.choice(np.array(["v", "w" * 700], object), ROWS),
        "sometimes": np.where(some & (RANDOM.random(ROWS) < 0.5), None, RANDOM.choice(["p", "qq"], ROWS)),
        "string": pd.array(RANDOM.choice(["abc", "", "größer"], ROWS), "string"),
        "kind": pd.Categorical(RANDOM.choice(["x", "y"], ROWS)),
        "complex": RANDOM.normal(size=ROWS) * 1j,
    }
    return pd.DataFrame(made, index=pd.Index(RANDOM.permutation(ROWS) + 5, name="row_id"))


FRAME = frame()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store with two similar tables of five row blocks."""
    folder = tmp_path_factory.mktemp("few")
    with Mistique.open(folder, block_rows=BLOCK_ROWS) as store:
        store.log_frame("p", "m", "x", FRAME)
        changed = FRAME.copy()
        changed.loc[changed.index % 50 == 0, ["cents", "noise", "wide"]] *= 2
        store.log_frame("p", "m", "y", changed)
    return folder


def ask(store: Mistique, ids: np.ndarray, key: str = "p.m.x") -> tuple[pd.DataFrame, Fetched]:
    """Return rows, and what reading them fetched."""
    result = store.get_intermediates(key, row_id=ids, strategy="read")
    assert result.plan.fetched is not None
    return result.to_pandas(), result.plan.fetched


@pytest.mark.parametrize("key", ["p.m.x", "p.m.y", "p.m.x.text", "p.m.y.noise"])
@pytest.mark.parametrize("count", [1, 2, 10, 60, 200])
def test_as_by_the_other_reader(home: Path, count: int, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order, the first time and when more is remembered; and as many bytes are fetched."""
    with Mistique.open(home, cache_bytes=0) as store, Mistique.open(home, cache_bytes=0) as other:
        other._chunk_reader.column_rows = None
        read = 0
        original = column_rows.ColumnRows.read

        def counted(*args: object) -> object:
            nonlocal read
            found = original(*args)
            read += len(found)
            return found

        monkeypatch.setattr(column_rows.ColumnRows, "read", counted)
        for seed in range(4):
            ids = np.random.default_rng([count, seed]).permutation(FRAME.index)[:count]
            found, fetched = ask(store, ids, key)
            expected, others = ask(other, ids, key)
            pd.testing.assert_frame_equal(found, expected, check_exact=True)
            assert found.equals(expected)
            if key == "p.m.x":
                native = FRAME.columns.drop("swapped")  # pandas takes no rows of other byte orders
                pd.testing.assert_frame_equal(found[native], FRAME[native].loc[ids], check_exact=True)
            assert fetched == others
        assert read or count == 1, "where strings begin is learned block by block"


def test_every_column_is_read_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known where strings begin, and what differences need; but not what only NumPy decodes."""
    names: list[int] = []
    original = column_rows.ColumnRows.read

    def noted(*args: object) -> object:
        found = original(*args)
        names.append(len(args[1]) - len(found))  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(column_rows.ColumnRows, "read", noted)
    ids = RANDOM.permutation(FRAME.index)[:30]
    with Mistique.open(home, cache_bytes=0) as store:
        for key in ("p.m.x", "p.m.y"):
            for _ in range(2):
                ask(store, ids, key)
    assert max(names[1], names[3]) <= 2, "not float16, nor text whose lengths have a table"


def test_rows_asked_for_twice_and_all_rows(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": np.arange(40) / 4, "b": ["x", "yy"] * 20}, index=pd.Index(range(40), name="row_id"))
    with Mistique.open(tmp_path, block_rows=15, cache_bytes=0) as store:
        store.log_frame("p", "m", "x", table)
        for ids in (np.arange(40), np.arange(40)[::-1], np.arange(15), np.array([3, 39, 17, 3]), np.array([39])):
            for _ in range(2):
                wanted = list(dict.fromkeys(ids.tolist()))
                pd.testing.assert_frame_equal(ask(store, np.array(wanted))[0], table.astype({"b": "str"}).loc[wanted])


def test_every_damaged_page_is_noticed(tmp_path: Path) -> None:
    """One byte of every page, one at a time; what is not asked for may be damaged."""
    table = FRAME[["cents", "flag", "text", "few", "rooms", "kind"]].iloc[: 2 * BLOCK_ROWS]
    ids = RANDOM.permutation(table.index)[:12]
    with Mistique.open(tmp_path, block_rows=BLOCK_ROWS, cache_bytes=0) as store:
        store.log_frame("p", "m", "x", table)
        expected = ask(store, ids)[0]
        ask(store, ids)
        paths = list((tmp_path / "partitions").rglob("*.h5"))
        plain = sqlite3.connect(tmp_path / "catalogue.db")
        rows = plain.execute(
            "SELECT p.name, c.byte_offset, c.stored_bytes FROM chunk c JOIN partition p ON p.id = c.partition_id "
            "WHERE c.stored_bytes > 0"
        ).fetchall()
        plain.close()
        by_name = {path.name: path for path in paths}
        noticed = 0
        for name, offset, size in rows:
            path = by_name[name]
            good = path.read_bytes()
            for position in range(offset, offset + size, 1 + size // 40):
                broken = good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :]
                with path.open("r+b") as file:  # in place, as a disk damages what is open
                    file.write(broken)
                try:
                    pd.testing.assert_frame_equal(ask(store, ids)[0], expected, check_exact=True)
                except CorruptPartitionError:
                    noticed += 1
            path.write_bytes(good)
        pd.testing.assert_frame_equal(ask(store, ids)[0], expected, check_exact=True)
    assert noticed > 100
