"""Several processes re-run row blocks of a table that was let go: it is kept again with the recorded bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import capture
from mistique_core.errors import InvalidInputError
from mistique_core.workflows import FunctionStage

BLOCK_ROWS, ROWS = 50, 480
NEVER_KEPT = {"policy": "adaptive", "gamma_min": 1e300}


def homes() -> pd.DataFrame:
    random = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "price": random.lognormal(12, 1, ROWS),
            "kind": pd.Categorical(random.choice(["flat", "house"], ROWS)),
            "city": random.choice(["Ghent", "Bruges", "Antwerp"], ROWS),
            "year": pd.array([None if number % 9 == 0 else 1900 + number for number in range(ROWS)], dtype="Int64"),
        }
    ).set_index(pd.Index(random.permutation(ROWS), name="row_id"))


def more(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(log=np.log(data["price"]), name=data["city"] + data["kind"].astype(str), age=2018 - data["year"])


def dear(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["log"] > 12][["log", "kind", "name", "age"]]


def centred(data: pd.DataFrame) -> pd.DataFrame:
    return data[["log"]] - data["log"].mean()


@pytest.fixture
def store(tmp_path: Path, catalogue_url: str) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=BLOCK_ROWS) as store:
        with store.run("p", "m") as run:
            given = run.stage("homes", FunctionStage(homes, {}, deterministic=True)).outputs[""]
            made = run.stage("more", *FunctionStage.bind(more, [given], {}, row_wise=True)).outputs[""]
            run.stage("dear", *FunctionStage.bind(dear, [made], {}, row_wise=True))
            run.stage("centred", *FunctionStage.bind(centred, [made], {}))
        yield store


def states(store: Mistique) -> dict[str, tuple[bool, Any]]:
    with store.catalogue.read() as connection:
        rows = connection.execute(sa.text("SELECT name, address, unstored FROM intermediate")).all()
    return {str(row.name): (row.unstored is None, bytes(row.address)) for row in rows}


@pytest.mark.parametrize("name", ["more", "dear"])
def test_it_is_kept_again_with_its_last_row_block(store: Mistique, name: str) -> None:
    key = f"p.m.{name}"
    expected, before = store.get_intermediates(f"{key}.*").to_pandas(), states(store)
    store.materialize("p", "m", policy=NEVER_KEPT)
    store.gc(grace_seconds=0)
    assert not states(store)[name][0]
    first = store.rerun_blocks(key, blocks=range(3, 5))
    again = store.rerun_blocks(key, blocks=[3])
    assert (first.blocks, first.done, first.is_kept) == (2, 2, False)
    assert (again.blocks, again.done) == (0, 2)
    store.gc(grace_seconds=0)  # keeps what is in progress
    other = store.rerun_blocks(key, blocks=[0, 2])
    assert (other.blocks, other.done, other.of) == (2, 4, first.of)
    last = store.rerun_blocks(key)
    assert (last.blocks, last.is_kept) == (first.of - 4, True)
    assert states(store)[name] == before[name]
    found = store.get_intermediates(f"{key}.*", strategy="read").to_pandas()
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    with store.catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(capture)) == 0
    assert store.gc(grace_seconds=0).chunks == 0
    assert store.check(read_data=True).problems == ()


def test_a_table_whose_rows_need_all_others_is_refused(store: Mistique) -> None:
    store.materialize("p", "m", policy=NEVER_KEPT)
    with pytest.raises(InvalidInputError, match="centred is a table whose rows cannot be re-run without all others"):
        store.rerun_blocks("p.m.centred", blocks=[0])


def test_what_was_logged_is_refused(store: Mistique) -> None:
    store.log_frame("p", "other", "scores", homes()[["price"]], scheme="float32")
    with pytest.raises(InvalidInputError, match="stored by the scheme float32"):
        store.rerun_blocks("p.other.scores")
