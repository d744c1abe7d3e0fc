"""What is let go is re-run with the same bits; what cannot be re-run stays; what pays is kept again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select, update

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.catalogue.tables import intermediate
from mistique_core.catalogue.unstored import pack_unstored, unpack_unstored
from mistique_core.errors import InvalidInputError, NotMaterializedError
from mistique_core.maintenance.rerun_check import RerunCheck
from mistique_core.model import IntermediateKey, Stage, StageResult
from mistique_core.store import Run
from mistique_core.workflows import FunctionStage

ROWS = 5_000


def source() -> pd.DataFrame:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({f"c{number}": random.standard_normal(ROWS) for number in range(4)})
    return frame.assign(kind=pd.Categorical(random.choice(["a", "b"], ROWS)))


def centred(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(c0=data["c0"] - data["c0"].mean())


def shuffled(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(c1=np.random.default_rng().permutation(data["c1"].to_numpy()))


def changing(data: pd.DataFrame) -> pd.DataFrame:
    import os

    return data.assign(c2=data["c2"] + float(os.environ.get("MISTIQUE_TEST_SHIFT", "0")))


class Squared(Stage):
    row_wise = True

    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        data = inputs["data"]
        return StageResult(frames={"": data.assign(square=data["c0"] ** 2 + data["c3"] * 0.1)})


NAMES = ("source", "centred", "squared", "random", "changing")


def log_pipeline(run: Run) -> None:
    given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
    first = run.stage("centred", *FunctionStage.bind(centred, [given], {})).outputs[""]
    second = run.stage("squared", Squared(), {"data": first}).outputs[""]
    run.stage("random", *FunctionStage.bind(shuffled, [second], {}, deterministic=False))
    run.stage("changing", *FunctionStage.bind(changing, [second], {}))


def answers(store: Mistique) -> dict[str, pd.DataFrame]:
    return {name: store.get_intermediates(f"p.m.{name}.*").to_pandas() for name in NAMES}


def assert_equal(got: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name in NAMES:
        pd.testing.assert_frame_equal(got[name], expected[name], check_exact=True)


@pytest.fixture
def store(catalogue_url: str, tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=1_000) as store:
        with store.run("p", "m") as run:
            log_pipeline(run)
        yield store


def kept(store: Mistique) -> dict[str, bool]:
    listed = store.intermediates("p", "m")
    return dict(zip(listed["intermediate"], listed["kept"], strict=True))


def test_what_can_be_rerun_is_let_go_and_answers_stay(store: Mistique) -> None:
    expected = answers(store)
    before = store.stats().partition_bytes
    would = store.materialize("p", "m", dry_run=True)
    assert all(kept(store).values())
    report = store.materialize("p", "m")
    assert (report.let_go, report.unequal) == (("centred", "squared", "changing"), ())
    assert (would.let_go, would.freed_bytes) == (report.let_go, report.freed_bytes)
    assert kept(store) == {"source": True, "centred": False, "squared": False, "random": True, "changing": False}
    assert_equal(answers(store), expected)
    freed = store.gc(grace_seconds=0)
    assert freed.chunk_bytes == report.freed_bytes
    store.compact()
    store.gc(grace_seconds=0)
    assert store.stats().partition_bytes <= before - report.freed_bytes * 0.9
    assert_equal(answers(store), expected)
    assert store.check(read_data=True).problems == ()


def test_columns_that_another_intermediate_keeps_are_read(store: Mistique) -> None:
    store.materialize("p", "m")
    store.gc(grace_seconds=0)
    assert store.get_intermediates("p.m.centred.c1").plan.strategy == "read"
    assert store.get_intermediates("p.m.changing.c2").plan.strategy == "read"
    assert store.get_intermediates("p.m.squared.c2").plan.strategy == "read"


def test_a_few_rows_come_from_a_few_rows(store: Mistique) -> None:
    expected = store.get_intermediates("p.m.squared.*", row_id=[17, 4_000]).to_pandas()
    store.delete("p", "m", intermediate="random", force=True)
    store.materialize("p", "m")
    store.gc(grace_seconds=0)
    got = store.get_intermediates("p.m.squared.*", row_id=[17, 4_000])
    assert got.plan.strategy == "rerun"
    pd.testing.assert_frame_equal(got.to_pandas(), expected, check_exact=True)
    with pytest.raises(NotMaterializedError, match="is not stored"):
        store.get_intermediates("p.m.squared.square", strategy="read")


def test_what_comes_out_otherwise_stays(store: Mistique, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTIQUE_TEST_SHIFT", "1")
    expected = store.get_intermediates("p.m.changing.*", strategy="read").to_pandas()
    report = store.materialize("p", "m")
    assert report.unequal == ("changing",)
    store.gc(grace_seconds=0)
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.changing.*").to_pandas(), expected, check_exact=True)


def test_the_next_run_takes_over_and_goes_on_from_what_was_let_go(store: Mistique) -> None:
    expected = answers(store)
    store.materialize("p", "m")
    store.gc(grace_seconds=0)
    with store.run("p", "m") as run:
        log_pipeline(run)
    assert_equal({**answers(store), "random": expected["random"]}, expected)
    with store.run("p", "other") as run:
        given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
        first = run.stage("centred", *FunctionStage.bind(centred, [given], {}))
        assert first.reused
        run.stage("again", *FunctionStage.bind(changing, [first.outputs[""]], {}))
    again = store.get_intermediates("p.other.again.*").to_pandas()
    pd.testing.assert_frame_equal(again, expected["centred"], check_exact=True)
    assert store.check(read_data=True).problems == ()


def test_logging_the_same_values_again_stores_them_again(store: Mistique) -> None:
    expected = answers(store)
    store.delete("p", "m", intermediate="random", force=True)
    store.materialize("p", "m")
    store.gc(grace_seconds=0)
    store.log_frame("q", "copy", "squared", expected["squared"])
    got = store.get_intermediates("q.copy.squared.*", strategy="read").to_pandas()
    pd.testing.assert_frame_equal(got, expected["squared"], check_exact=True)
    assert store.get_intermediates("p.m.squared.square").plan.strategy == "read"
    assert store.check(read_data=True).problems == ()


def test_what_was_asked_for_stays(store: Mistique) -> None:
    store.get_intermediates("p.m.changing.*")
    store.materialize("p", "m", policy={"policy": "adaptive", "gamma_min": 1e-6})
    assert kept(store)["changing"]
    assert not kept(store)["squared"]
    store.materialize("p", "m", policy={"policy": "adaptive", "gamma_min": 1e12})
    assert not kept(store)["changing"]


def test_what_pays_is_kept_again(store: Mistique) -> None:
    expected = store.get_intermediates("p.m.squared.*").to_pandas()
    store.delete("p", "m", intermediate="random", force=True)
    store.materialize("p", "m", policy={"policy": "adaptive", "gamma_min": 1e12})
    store.gc(grace_seconds=0)
    for _ in range(3):
        assert store.get_intermediates("p.m.squared.*").plan.strategy == "rerun"
    assert not kept(store)["squared"], "a few queries do not pass so large a threshold"
    with store.catalogue.write() as connection:
        record = find_intermediate(connection, IntermediateKey("p", "m", "squared"))
        packed = connection.execute(select(intermediate.c.unstored).where(intermediate.c.id == record.ref.id))
        lower = pack_unstored(replace(unpack_unstored(packed.scalar_one()), gamma_min=1e-6))
        connection.execute(update(intermediate).where(intermediate.c.id == record.ref.id).values(unstored=lower))
    result = store.get_intermediates("p.m.squared.*")
    assert "it is kept from now on" in result.plan.explain()
    assert kept(store)["squared"]
    after = store.get_intermediates("p.m.squared.*", strategy="read").to_pandas()
    pd.testing.assert_frame_equal(after, expected, check_exact=True)
    assert store.check(read_data=True).problems == ()


def test_a_budget_of_nothing_and_of_everything(store: Mistique) -> None:
    assert store.materialize("p", "m", policy={"policy": "budget", "bytes": 10**9}, dry_run=True).freed_bytes == 0
    report = store.materialize("p", "m", policy={"policy": "budget", "bytes": 0})
    assert set(report.let_go) >= {"centred", "changing"}
    assert store.materialize("p", "m", policy="dedup").let_go == ()


def test_a_store_whose_storage_half_is_lost_is_rebuilt(store: Mistique) -> None:
    expected = answers(store)
    store.materialize("p", "m")
    store.gc(grace_seconds=0)
    with store.catalogue.write() as connection:
        connection.exec_driver_sql("DELETE FROM similar_band")
        connection.exec_driver_sql("DELETE FROM column_chunk")
    assert store.rebuild().problems == ()
    assert_equal(answers(store), expected)


def test_a_run_lets_go_when_it_has_succeeded(store: Mistique) -> None:
    expected = answers(store)
    with store.run("p", "m", policy="adaptive") as run:
        log_pipeline(run)
        listed = store.intermediates("p", "m")
        assert listed["kept"].all()
    listed = store.intermediates("p", "m").query("version == 2").set_index("intermediate")["kept"]
    assert listed.to_dict() == {
        "source": True,
        "centred": False,
        "squared": False,
        "random": True,
        "changing": False,
    }
    assert_equal({**answers(store), "random": expected["random"]}, expected)
    failed = store.run("p", "m", policy="adaptive")
    log_pipeline(failed)
    failed.finish("it did not work")
    assert store.intermediates("p", "m").query("version == 3")["kept"].all()
    with pytest.raises(InvalidInputError, match="did you mean 'adaptive'"):
        store.run("p", "m", policy="adaptve")


def test_what_is_needed_to_rerun_what_was_let_go_is_not_deleted(store: Mistique) -> None:
    """Also through others that were let go, and within one version."""
    expected = answers(store)
    store.materialize("p", "m")
    store.gc(grace_seconds=0)
    with pytest.raises(InvalidInputError, match=r"is needed to re-run .*centred"):
        store.delete("p", "m", version=1, intermediate="source")
    with pytest.raises(InvalidInputError, match="is needed to re-run"):
        store.delete("p", "m", intermediate="centred")
    assert_equal(answers(store), expected)
    assert store.delete("p", "m").intermediates == len(NAMES)


def test_what_lost_its_way_meanwhile_stays(store: Mistique, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ancestor is deleted while the re-runs are compared."""
    compare = RerunCheck.is_equal

    def deletes_first(*arguments: Any) -> bool:
        is_equal = compare(*arguments)
        if "source" in set(store.intermediates("p", "m")["intermediate"]):
            store.delete("p", "m", intermediate="source", force=True)
        return is_equal

    monkeypatch.setattr(RerunCheck, "is_equal", deletes_first)
    report = store.materialize("p", "m")
    assert "centred" not in report.let_go
    store.gc(grace_seconds=0)
    for name in NAMES[1:]:
        assert len(store.get_intermediates(f"p.m.{name}.*").to_pandas()) == ROWS
