"""The rows that every data set streams, without any of their libraries."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.datasets.stored_rows import StoredRows
from mistique_core.errors import InvalidInputError
from tests.unit.datasets.conftest import BLOCK, MAPS, NUMBERS, ROWS, TABLE, expected_numbers


def _together(batches: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found = list(batches)
    return {name: np.concatenate([batch[name] for batch in found]) for name in found[0]}


@pytest.fixture
def rows(home: Path) -> StoredRows:
    with Mistique.open(home) as store:
        return StoredRows.of(store, "p.m.x", NUMBERS, batch_rows=64)


def test_batches_are_the_columns(rows: StoredRows) -> None:
    """After the store was closed, and from a pickle; each array can be written to."""
    again = pickle.loads(pickle.dumps(rows))
    for one in (rows, again):
        found = _together(one.batches())
        assert list(found) == ["row_id", *NUMBERS]
        for name, values in expected_numbers().items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
            assert found[name].dtype == values.dtype
    for batch in rows.batches():
        assert len(batch["row_id"]) <= 64
        for values in batch.values():
            values[:1] = 0
    example = rows.example()
    assert {name: values.dtype for name, values in example.items()} == {
        name: values.dtype for name, values in expected_numbers().items()
    }
    assert {len(values) for values in example.values()} == {0}


def test_shares_are_every_row_once(rows: StoredRows) -> None:
    """Of workers, of processes with workers, and of more workers than row blocks."""
    for of in (1, 2, 3, 9):
        parts = [list(rows.shared(number, of).batches()) for number in range(of)]
        assert sum(map(bool, parts)) == min(of, -(-ROWS // BLOCK))
        found = _together(batch for part in parts for batch in part)
        assert sorted(found["row_id"]) == sorted(TABLE.index)
    nested = [rows.shared(rank, 2).shared(worker, 2) for rank in range(2) for worker in range(2)]
    assert sorted(_together(b for one in nested for b in one.batches())["row_id"]) == sorted(TABLE.index)


def _ids(rows: StoredRows, number: int, of: int, pipe: Any) -> None:
    pipe.send([int(item) for batch in rows.shared(number, of).batches() for item in batch["row_id"]])


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_are_processes_of_their_own(rows: StoredRows, method: Any) -> None:
    """Each opens the store for itself, while this process goes on reading."""
    context = multiprocessing.get_context(method)
    workers, ends = [], []
    for number in range(2):
        mine, theirs = context.Pipe()
        worker = context.Process(target=_ids, args=(rows, number, 2, theirs))
        worker.start()
        workers.append(worker)
        ends.append(mine)
    here = _together(rows.batches())["row_id"]
    found = [item for end in ends for item in end.recv()]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted(found) == sorted(here)


def test_predicates_maps_and_versions(home: Path, tmp_path: Path) -> None:
    """What is asked for at the beginning stays: a later version changes nothing."""
    with Mistique.open(home) as store:
        some = StoredRows.of(store, "p.m.x", ["step"], where=("step", ">=", 4_000))
        both = StoredRows.of(store, "p.m.x", ["step"], where=[("step", ">=", 4_000), ("kind", "==", "y")])
        maps = StoredRows.of(store, "p.m.conv", ["1"], batch_rows=100)
    np.testing.assert_array_equal(_together(some.batches())["step"], TABLE["step"][TABLE["step"] >= 4_000])
    wanted = TABLE["step"][(TABLE["step"] >= 4_000) & (TABLE["kind"] == "y")]
    np.testing.assert_array_equal(_together(both.batches())["step"], wanted)
    np.testing.assert_array_equal(_together(maps.batches())["1"], MAPS[..., 1])
    assert maps.example()["1"].shape == (0, 3, 4)
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"a": [1.0, 2.0]}))
        first = StoredRows.of(store, "p.m.x")
        store.log_frame("p", "m", "x", pd.DataFrame({"a": [3.0]}))
    assert _together(first.batches())["a"].tolist() == [1.0, 2.0]


def test_what_are_no_numbers_is_refused(home: Path) -> None:
    """With the column's name and what to do."""
    with Mistique.open(home) as store:
        with pytest.raises(InvalidInputError, match=r"'city'.*leave it out"):
            StoredRows.of(store, "p.m.x").example()
        with pytest.raises(InvalidInputError, match="share 2 of 2"):
            StoredRows.of(store, "p.m.x", share=(2, 2))
