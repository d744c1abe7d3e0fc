"""A stage reads the columns that it touches; the others pass through unread, unhashed and unwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.chunks import ChunksGoneError
from mistique_core.catalogue.tables import stage as stage_table
from mistique_core.errors import CorruptPartitionError
from mistique_core.workflows import FunctionStage

ROWS = 500


def source() -> pd.DataFrame:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({f"c{number}": random.standard_normal(ROWS) for number in range(6)})
    return frame.assign(kind=pd.Categorical(random.choice(["a", "b"], ROWS)), text=["t"] * ROWS)


def adds_a_column(data: pd.DataFrame) -> pd.DataFrame:
    return data.drop(columns="c5").assign(total=data["c0"] + data["c1"])


def changes_in_place(data: pd.DataFrame) -> pd.DataFrame:
    data["c1"] = data["c1"] * 2
    data.loc[data.index[0], "c2"] = 0.0
    return data


def other_rows(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["c0"] > 0]


def numbered_anew(data: pd.DataFrame) -> pd.DataFrame:
    return data[["c0", "c1"]].assign(row_id=np.arange(len(data)) + 1000)


def type_of_input(data: pd.DataFrame) -> dict[str, float]:
    return {"is_plain": float(type(data) is pd.DataFrame)}


@pytest.fixture
def store(tmp_path: Path) -> Mistique:
    return Mistique.open(tmp_path / "store", cache_bytes=0)


def log_source(store: Mistique) -> pd.DataFrame:
    """Store the source so that the columns in use and those not in use lie in different partitions."""
    frame = source()
    used = ["c0", "c1"]
    store.log_frame("p", "used", "part", frame[used])
    store.log_frame("p", "m0", "source", frame)
    return frame


def test_what_is_not_touched_is_not_read(store: Mistique, tmp_path: Path) -> None:
    frame = log_source(store)
    before = set((tmp_path / "store").rglob("*.h5"))
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {})).outputs[""]
        largest = max(before, key=lambda path: path.stat().st_size)
        content = largest.read_bytes()
        largest.write_bytes(b"\0" * len(content))  # nothing of these columns can be read now
        made = run.stage("made", *FunctionStage.bind(adds_a_column, [given], {}))
        largest.write_bytes(content)
    expected = frame.drop(columns="c5").assign(total=frame["c0"] + frame["c1"])
    pd.testing.assert_frame_equal(
        store.get_intermediates("p.m.made.*", strategy="read").to_pandas(), expected, check_names=False
    )
    assert made.stored_bytes < 5_000
    rerun = store.get_intermediates("p.m.made.*", strategy="rerun")
    assert rerun.plan.verified
    assert store.check(read_data=True).problems == ()


def test_the_damage_of_the_test_above_would_be_seen(store: Mistique, tmp_path: Path) -> None:
    log_source(store)
    largest = max((tmp_path / "store").rglob("*.h5"), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"\0" * largest.stat().st_size)
    with pytest.raises(CorruptPartitionError):
        store.get_intermediates("p.m0.source.c4", strategy="read")


def test_changes_in_place_are_stored_and_the_input_stays(store: Mistique) -> None:
    frame = source()
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {})).outputs[""]
        run.stage("changed", *FunctionStage.bind(changes_in_place, [given], {}))
        run.stage("fewer", *FunctionStage.bind(other_rows, [given], {}))
        run.stage("numbered", *FunctionStage.bind(numbered_anew, [given], {}))
    changed = frame.assign(c1=frame["c1"] * 2)
    changed.loc[0, "c2"] = 0.0
    for name, expected in {
        "source": frame,
        "changed": changed,
        "fewer": frame[frame["c0"] > 0],
        "numbered": frame[["c0", "c1"]].set_axis(np.arange(ROWS) + 1000),
    }.items():
        got = store.get_intermediates(f"p.m.{name}.*", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(got, expected, check_names=False)


def test_a_function_gets_a_plain_frame_if_it_asks_for_one(store: Mistique) -> None:
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {})).outputs[""]
        lazy = run.stage("lazy", *FunctionStage.bind(type_of_input, [given], {}))
        plain = run.stage("plain", *FunctionStage.bind(type_of_input, [given], {}, lazy=False), reuse=False)
    assert (lazy.metrics, plain.metrics) == ({"is_plain": 0.0}, {"is_plain": 1.0})


def test_reading_while_a_stage_runs_counts_as_loading(store: Mistique) -> None:
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {})).outputs[""]
        run.stage("made", *FunctionStage.bind(adds_a_column, [given], {}))
    with store.catalogue.read() as connection:
        row = connection.execute(sa.select(stage_table).where(stage_table.c.name == "made")).one()
    assert row.load_seconds > 0
    assert row.exec_seconds >= 0


def test_an_input_that_is_deleted_while_the_stage_runs_fails_the_stage(store: Mistique) -> None:
    def deletes(data: pd.DataFrame) -> pd.DataFrame:
        made = data.assign(zero=0.0)
        store.delete("p", "m0", force=True)
        store.gc(grace_seconds=0)
        return made

    with store.run("p", "m0") as first:
        given = first.stage("source", FunctionStage(source, {})).outputs[""]
    with pytest.raises(ChunksGoneError, match="deleted while it ran"), store.run("p", "m") as run:
        run.stage("made", *FunctionStage.bind(deletes, [given], {}))
    assert store.check().problems == ()


def twins() -> pd.DataFrame:
    values = np.random.default_rng(1).standard_normal(20_000)
    return pd.DataFrame({"a": values, "b": values.copy()})


def writes_into_one(data: pd.DataFrame) -> pd.DataFrame:
    data.loc[data.index[0], "b"] = 99.0
    return data


def test_equal_columns_can_be_written_apart(tmp_path: Path) -> None:
    """They are one column version, but not one array."""
    expected = twins()
    with Mistique.open(tmp_path / "store") as store, store.run("p", "m") as run:
        run.stage("twins", FunctionStage(twins, {}))
    with Mistique.open(tmp_path / "store") as store:
        got = store.get_intermediates("p.m.twins.*").to_pandas()
        got.loc[0, "b"] = 99.0
        assert got.loc[0, "a"] == expected.loc[0, "a"]
        with store.run("p", "n") as run:
            given = run.stage("twins", FunctionStage(twins, {}), reuse=False).outputs[""]
            run.stage("made", *FunctionStage.bind(writes_into_one, [given], {}))
        made = store.get_intermediates("p.n.made.*", strategy="read").to_pandas()
    assert made.loc[0].tolist() == [expected.loc[0, "a"], 99.0]
