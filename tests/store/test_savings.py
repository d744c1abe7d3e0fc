"""Where bytes went, and what keeping is worth, against sizes that NumPy knows and against the planner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import NotFoundError
from mistique_core.store.savings import Savings
from mistique_core.workflows import FunctionStage

ROWS = 4_000
COLUMN = ROWS * 8


@pytest.fixture
def store(catalogue_url: str, tmp_path: Path, exact_dedup: None) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=1_000) as store:
        yield store


def frame(seed: int = 0, columns: int = 3) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    values = {f"c{number}": random.standard_normal(ROWS) for number in range(columns)}
    return pd.DataFrame(values, index=pd.RangeIndex(ROWS, name="row_id"))


def doubled(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(c0=data["c0"] * 2)


def saved(found: Savings) -> int:
    return (
        found.not_kept_bytes
        + found.reused_bytes
        + found.repeated_bytes
        + found.quantized_bytes
        + found.repeated_chunks_bytes
        + found.similar_bytes
        + found.encoded_bytes
    )


def assert_adds_up(store: Mistique) -> Savings:
    found, stats = store.savings(), store.stats()
    assert found.logged_bytes == stats.logical_bytes
    assert found.logged_bytes - saved(found) == found.stored_bytes
    assert found.stored_bytes + found.fitted_stored_bytes + found.other_stored_bytes == stats.chunk_bytes
    assert sum(item.stored_bytes for item in found.schemes) == found.stored_bytes
    assert sum(item.logged_bytes for item in found.schemes) == found.logged_bytes - found.not_kept_bytes
    return found


def test_equal_columns_and_equal_row_blocks_are_counted_apart(store: Mistique) -> None:
    first = frame()
    store.log_frame("p", "a", "first", first)
    assert assert_adds_up(store).repeated_bytes == 0
    again = first.assign(c1=np.where(np.arange(ROWS) < 1_000, first["c1"], -first["c1"]))
    store.log_frame("p", "b", "again", again)
    found = assert_adds_up(store)
    assert found.logged_bytes == 2 * 4 * COLUMN
    assert found.repeated_bytes == 3 * COLUMN, "the row ids, c0 and c2"
    assert found.repeated_chunks_bytes == 1_000 * 8, "the first row block of c1"
    assert (found.reused_bytes, found.not_kept_bytes, found.quantized_bytes) == (0, 0, 0)


def test_a_lossy_scheme_is_counted_by_itself(store: Mistique) -> None:
    values = np.random.default_rng(1).standard_normal((ROWS, 5)).astype(np.float32)
    store.log_array("p", "net", "layer", values, scheme="float16")
    store.log_frame("p", "table", "rows", frame(2))
    found = assert_adds_up(store)
    assert found.quantized_bytes == values.nbytes // 2
    shares = {item.scheme: item for item in found.schemes}
    assert shares["float16"].logical_bytes == shares["float16"].logged_bytes == values.nbytes
    assert shares["lossless"].logged_bytes == 5 * COLUMN, "of the array the row ids, which the table shares"
    assert shares["lossless"].columns == 4
    assert found.repeated_bytes == COLUMN


def test_what_was_taken_over_and_what_was_let_go(store: Mistique) -> None:
    for _ in range(2):
        with store.run("p", "m") as run:
            given = run.stage("source", FunctionStage(frame, {}, deterministic=True)).outputs[""]
            run.stage("doubled", *FunctionStage.bind(doubled, [given], {}))
    found = assert_adds_up(store)
    assert found.reused_bytes == 2 * 4 * COLUMN
    assert found.repeated_bytes == 3 * COLUMN
    store.materialize("p", "m", version=1)
    store.materialize("p", "m", version=2)
    after = assert_adds_up(store)
    assert after.logged_bytes == found.logged_bytes
    assert after.other_stored_bytes == found.stored_bytes - after.stored_bytes
    assert store.gc(grace_seconds=0).chunk_bytes == after.other_stored_bytes
    assert assert_adds_up(store).other_stored_bytes == 0
    assert after.not_kept_bytes == 2 * 3 * COLUMN, "all columns of both 'doubled'; row ids stay"


def test_worth_is_gamma_of_the_planners_estimates(store: Mistique) -> None:
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(frame, {}, deterministic=True)).outputs[""]
        made = run.stage("doubled", *FunctionStage.bind(doubled, [given], {})).outputs[""]
    store.log_frame("p", "by_hand", "x", frame(9))
    for _ in range(3):
        store.get_intermediates("p.m.doubled", strategy="read")
    with Mistique.open(store.config.location, store.config.catalogue_url) as cold:  # knows no row ids yet
        [_, unread] = cold.worth([given.id, made.id])
        plan = cold.explain("p.m.doubled")
    [source, worth] = store.worth([given.id, made.id])
    assert worth.label == "p.m@1.doubled"
    assert worth.queries == 3
    assert unread.read_seconds == pytest.approx(plan.read_seconds)
    assert unread.rerun_seconds == pytest.approx(plan.rerun_seconds)
    assert worth.rerun_seconds is not None
    expected = (worth.rerun_seconds - worth.read_seconds) * 3 / (worth.amortised_bytes / 1e9)
    assert worth.gamma == pytest.approx(expected)
    new = store.stats().models
    stored = {item.model: item.stored_bytes for item in new}
    assert source.amortised_bytes + worth.amortised_bytes <= stored["m"], "row ids are not amortised"
    assert source.amortised_bytes == pytest.approx(worth.amortised_bytes, rel=0.2), "each bears half of c1 and c2"
    ids: Any = store.intermediates("p", "by_hand")
    assert len(ids) == 1
    with pytest.raises(NotFoundError, match="9999"):
        store.worth([9999])


def test_worth_of_what_cannot_be_rerun_is_unknown(store: Mistique) -> None:
    report = store.log_frame("p", "by_hand", "x", frame(9))
    [worth] = store.worth([report.ref.id])
    assert (worth.gamma, worth.rerun_seconds) == (None, None)
    assert worth.read_seconds > 0


def test_the_lowest_gamma_goes_first(store: Mistique) -> None:
    assert store.budget_bytes is None
    assert store.budget_outlook().leaving == ()
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(frame, {}, deterministic=True)).outputs[""]
        for name in ("one", "two"):
            run.stage(name, *FunctionStage.bind(doubled, [given], {}), reuse=False)
    for _ in range(4):
        store.get_intermediates("p.m.two", strategy="read")
    store.materialize_all(policy={"policy": "budget", "bytes": 10_000_000})
    assert store.budget_bytes == 10_000_000
    found = store.budget_outlook()
    assert [item.gamma for item in found.leaving] == sorted(item.gamma for item in found.leaving)
    assert found.leaving[0].label == "p.m@1.one"
    assert sum(item.freed_bytes for item in found.leaving) == found.held_bytes
    assert len(store.budget_outlook(most=1).leaving) == 1
