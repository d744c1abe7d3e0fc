"""Frames that follow each other make the intermediate that they would make together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core import Mistique
from mistique_core.catalogue.tables import capture
from mistique_core.engine.seen_row_ids import SeenRowIds
from mistique_core.errors import InvalidInputError
from mistique_core.workflows import FunctionStage, ReadCsvStage

BLOCK_ROWS = 64
STORAGE_HALF = ("partition", "chunk", "similar_band", "column_version", "column_chunk", "deleted_partition")


def table(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(rows)
    return pd.DataFrame(
        {
            "price": random.standard_normal(rows),
            "rooms": random.integers(0, 6, rows),
            "kind": pd.Categorical(random.choice(["flat", "house"], rows), categories=["flat", "house"]),
            "text": [None if number % 5 == 0 and number > 100 else f"home {number}" for number in range(rows)],
        }
    )


def parts(frame: pd.DataFrame, sizes: list[int]) -> Iterator[pd.DataFrame]:
    start = 0
    for size in [*sizes, len(frame) - sum(sizes)]:
        yield frame.iloc[start : start + size]
        start += size


def yields(rows: int) -> Iterator[pd.DataFrame]:
    for part in parts(table(rows), [100, 3]):
        yield part.reset_index(drop=True)


def derives(data: pd.DataFrame) -> dict[str, Iterator[pd.DataFrame]]:
    return {"doubled": (part[["price"]] * 2 for part in parts(data, [100]))}


def fails(rows: int) -> Iterator[pd.DataFrame]:
    yield table(rows)
    raise ValueError("no more homes")


@pytest.fixture
def store(tmp_path: Path) -> Mistique:
    return Mistique.open(tmp_path / "store", block_rows=BLOCK_ROWS)


def address(store: Mistique, name: str) -> bytes:
    with store.catalogue.read() as connection:
        query = sa.text("SELECT address FROM intermediate WHERE name = :name ORDER BY id DESC")
        return bytes(connection.execute(query, {"name": name}).scalar_one())


def is_clean(store: Mistique) -> bool:
    with store.catalogue.read() as connection:
        open_captures = connection.scalar(sa.select(sa.func.count()).select_from(capture))
    return open_captures == 0 and store.check(read_data=True).problems == ()


@pytest.mark.parametrize("sizes", [[], [64], [1, 2, 3], [200], [130, 0, 64]])
@pytest.mark.parametrize("kind", ["numbered", "column", "index"])
def test_the_same_address_as_one_frame(store: Mistique, sizes: list[int], kind: str) -> None:
    frame, row_id = table(300), None
    if kind == "column":
        frame["id"], row_id = np.random.default_rng(1).permutation(300) * 7, "id"
    if kind == "index":
        frame = frame.set_index(pd.Index(np.arange(300)[::-1], name="row_id"))
    whole = store.log_frame("p", "m", "whole", frame, row_id=row_id)
    made = store.log_frames("p", "m", "parts", parts(frame, sizes), row_id=row_id)
    assert address(store, "parts") == address(store, "whole")
    assert (made.logical_bytes, made.stored_bytes) == (whole.logical_bytes, 0)
    assert is_clean(store)


def test_bytes_are_counted_once(tmp_path: Path) -> None:
    one, other = (Mistique.open(tmp_path / name, block_rows=BLOCK_ROWS) for name in ("one", "other"))
    frame = table(300)
    whole = one.log_frame("p", "m", "homes", frame)
    made = other.log_frames("p", "m", "homes", parts(frame, [100]))
    chunks = sa.text("SELECT SUM(stored_bytes) FROM chunk")
    for store, report in ((one, whole), (other, made)):
        with store.catalogue.read() as connection:
            assert report.stored_bytes == connection.scalar(chunks)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([table(70), table(70).astype({"rooms": "float64"})], "float64.*rooms|rooms: float64"),
        ([table(64), table(64).astype({"rooms": "float64"})], "float64 in the column 'rooms'"),
        ([table(70), table(70).drop(columns="price")], "price: missing"),
        ([table(64), table(64).assign(kind=pd.Categorical(["flat"] * 64))], "other categories in the column 'kind'"),
        ([table(64).assign(row_id=range(64)), table(64).assign(row_id=range(10, 74))], "row_id.* 10 occurs"),
        ([], "no frames"),
    ],
)
def test_what_cannot_be_one_frame_leaves_nothing(store: Mistique, frames: list[pd.DataFrame], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        store.log_frames("p", "m", "homes", frames)
    with store.catalogue.read() as connection:
        assert not connection.execute(sa.text("SELECT name FROM intermediate")).all()
    assert is_clean(store)


def test_no_rows(store: Mistique) -> None:
    store.log_frames("p", "m", "none", [table(0), table(0)])
    store.log_frame("p", "m", "whole", table(0))
    assert address(store, "none") == address(store, "whole")


def test_a_generator_as_a_stage_can_be_run_again(store: Mistique) -> None:
    with store.run("p", "m") as run:
        homes = run.stage("homes", FunctionStage(yields, {"rows": 300}, deterministic=True)).outputs[""]
        run.stage("derived", *FunctionStage.bind(derives, [homes], {}))
    store.log_frame("p", "other", "homes", table(300))
    expected = store.get_intermediates("p.other.homes.*").to_pandas()
    for strategy in ("read", "rerun"):
        pd.testing.assert_frame_equal(store.get_intermediates("p.m.homes.*", strategy=strategy).to_pandas(), expected)
        doubled = store.get_intermediates("p.m.derived_doubled.price", strategy=strategy).to_pandas()
        np.testing.assert_array_equal(np.asarray(doubled).ravel(), expected["price"].to_numpy() * 2)
    assert is_clean(store)


def test_a_generator_that_fails_leaves_nothing(store: Mistique) -> None:
    with pytest.raises(ValueError, match="no more homes"), store.run("p", "m") as run:
        run.stage("homes", FunctionStage(fails, {"rows": 200}))
    assert is_clean(store)
    store.gc(grace_seconds=0)
    assert not list(Path(store.config.location).rglob("*.h5"))


def test_a_csv_file_in_parts(store: Mistique, tmp_path: Path) -> None:
    path = tmp_path / "homes.csv"
    table(300).to_csv(path, index=False)
    options = {"dtype": {"text": "str", "kind": "str"}}
    with store.run("p", "m") as run:
        whole = run.stage("whole", ReadCsvStage(str(path), options=options)).outputs[""]
        made = run.stage("parts", ReadCsvStage(str(path), options={**options, "chunksize": 100})).outputs[""]
    assert whole != made
    assert address(store, "parts") == address(store, "whole")
    with pytest.raises(InvalidInputError, match="chunksize"), store.run("p", "m") as run:
        run.stage("x", ReadCsvStage(str(path), "rooms", {"chunksize": 100}, duplicates="first"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=0, max_size=8, unique=True), max_size=8))
def test_repeated_row_ids_are_found(frames: list[list[int]]) -> None:
    seen = SeenRowIds()
    for ids in frames:
        seen.add(np.array(ids, dtype=np.int64))
    everything = [number for ids in frames for number in ids]
    if len(set(everything)) == len(everything):
        seen.check("homes")
    else:
        with pytest.raises(InvalidInputError, match="not unique") as caught:
            seen.check("homes")
        named = int(str(caught.value).split("not unique: ")[1].split(" ")[0])
        assert everything.count(named) > 1


def test_the_catalogue_comes_back_from_the_files(store: Mistique) -> None:
    frame = table(300)
    store.log_frames("p", "m", "homes", parts(frame, [100, 3]))
    plain = sqlite3.connect(store.catalogue.url.database)
    plain.executescript(";".join(f"DELETE FROM {name}" for name in STORAGE_HALF))
    plain.close()
    report = store.rebuild()
    assert report.problems == ()
    found = store.get_intermediates("p.m.homes.*", strategy="read").to_pandas()
    pd.testing.assert_frame_equal(found, frame, check_names=False, check_exact=True)
    assert is_clean(store)


def refilled(rows: int) -> Iterator[pd.DataFrame]:
    """Yield one frame again and again, with other values each time."""
    buffer = np.empty(rows)
    for number in range(7):
        buffer[:] = number
        yield pd.DataFrame({"x": buffer}, copy=False)


@pytest.mark.parametrize("rows", [30, 64, 100])
def test_a_frame_may_be_changed_when_the_next_one_is_asked_for(store: Mistique, rows: int) -> None:
    store.log_frames("p", "m", "homes", refilled(rows))
    found = store.get_intermediates("p.m.homes.x").to_pandas()["x"].to_numpy()
    np.testing.assert_array_equal(found, np.repeat(np.arange(7.0), rows))
    assert is_clean(store)


def filtered(rows: int) -> Iterator[pd.DataFrame]:
    for part in parts(table(rows), [100, 50]):
        yield part[part["rooms"] > 2]


def filtered_at_once(rows: int) -> pd.DataFrame:
    return table(rows)[table(rows)["rooms"] > 2]


def test_an_index_is_taken_as_that_of_one_frame_is(store: Mistique, tmp_path: Path) -> None:
    path = tmp_path / "homes.csv"
    pd.DataFrame({"id": [10, 7, 3, 5], "price": [1.0, 2.0, 3.0, 4.0]}).to_csv(path, index=False)
    with store.run("p", "m") as run:
        run.stage("csv", ReadCsvStage(str(path), options={"index_col": "id"}))
        run.stage("csv_parts", ReadCsvStage(str(path), options={"index_col": "id", "chunksize": 2}))
        run.stage("whole", FunctionStage(filtered_at_once, {"rows": 300}, deterministic=True))
        run.stage("parts", FunctionStage(filtered, {"rows": 300}, deterministic=True))
    assert address(store, "csv_parts") == address(store, "csv")
    assert address(store, "parts") == address(store, "whole")
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=[10, 7, 3])
    for log in (lambda: store.log_frame("p", "o", "x", frame), lambda: store.log_frames("p", "o", "x", [frame])):
        with pytest.raises(InvalidInputError, match="never matched by position"):
            log()


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (table(3), {}, "is a DataFrame, not frames that follow"),
        (None, {}, "is a NoneType"),
        ([table(3)["price"]], {}, "gives a Series"),
        ([table(3)], {"row_id": np.arange(3)}, "row_id of frame 'homes' is a ndarray"),
        ([table(3).assign(row_id=[5, 9, 7]), table(3)], {}, "row ids in some of its frames"),
    ],
)
def test_wrong_arguments(store: Mistique, frames: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        store.log_frames("p", "m", "homes", frames, **options)
    assert is_clean(store)


def test_a_run_whose_frames_fail_has_failed(store: Mistique) -> None:
    with pytest.raises(ValueError, match="no more homes"):
        store.log_frames("p", "m", "homes", fails(200))
    with store.catalogue.read() as connection:
        assert connection.execute(sa.text("SELECT state FROM experiment_run")).scalar_one() == "failed"
    assert is_clean(store)


def test_parts_without_rows_do_not_count(store: Mistique) -> None:
    empty = pd.DataFrame({"a": pd.Series([], dtype="float64")})
    store.log_frames("p", "m", "homes", [pd.DataFrame({"a": range(64)}), empty, pd.DataFrame({"a": range(64)}), empty])
    store.log_frame("p", "m", "whole", pd.DataFrame({"a": [*range(64), *range(64)]}))
    assert address(store, "homes") == address(store, "whole")


def slow_and_derived(data: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for part in parts(data, [100]):
        yield part[["price"]]


def test_seconds_of_a_generator(store: Mistique) -> None:
    with store.run("p", "m") as run:
        homes = run.stage("homes", FunctionStage(yields, {"rows": 5_000})).outputs[""]
        run.stage("made", *FunctionStage.bind(slow_and_derived, [homes], {}))
    with store.catalogue.read() as connection:
        rows = connection.execute(sa.text("SELECT load_seconds, exec_seconds, store_seconds FROM stage")).all()
    assert all(seconds >= 0 for row in rows for seconds in row)


def test_what_cannot_be_stored_beside_a_generator_leaves_nothing(store: Mistique) -> None:
    with pytest.raises(InvalidInputError), store.run("p", "m") as run:
        run.stage("homes", FunctionStage(one_is_bad, {"rows": 200}))
    assert is_clean(store)


def one_is_bad(rows: int) -> dict[str, Any]:
    return {"ok": parts(table(rows), []), "bad": pd.DataFrame({"x": [{}, {}]})}
