"""Queries that are answered together share what they re-run and read, and answer as each alone does."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import NotFoundError
from mistique_core.store import Query
from mistique_core.workflows import FunctionStage

CODE = '''
"""Functions that run as stages."""

def CALLS() -> None:
    """Carries the names of the stages that ran; a function's attributes are not code."""


CALLS.names = []

def doubled(data):
    CALLS.names.append("doubled")
    return data.assign(b=data["a"] * 2)

def lowered(data):
    CALLS.names.append("lowered")
    return data.assign(c=data["b"] - 1)

def squared(data):
    CALLS.names.append("squared")
    return data.assign(d=data["b"] ** 2)
'''
FRAME = pd.DataFrame({"a": np.random.default_rng(0).normal(size=300)}, index=pd.RangeIndex(1_000, 1_300, name="row_id"))


@pytest.fixture
def code(tmp_path: Path) -> Iterator[ModuleType]:
    path = tmp_path / "batch_sample.py"
    path.write_text(CODE)
    spec = importlib.util.spec_from_file_location("batch_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["batch_sample"] = module
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("batch_sample", None)


@pytest.fixture
def store(tmp_path: Path, code: ModuleType) -> Iterator[Mistique]:
    """Return a store with a fork: a -> doubled -> lowered and squared."""
    with Mistique.open(tmp_path / "home", cache_bytes=0) as opened:
        with opened.run("p", "m") as run:
            source = run.log_frame("source", FRAME).ref
            given = {"data": {"$input": "data"}}
            doubled = run.stage("doubled", FunctionStage(code.doubled, given), {"data": source}).outputs[""]
            for name in ("lowered", "squared"):
                run.stage(name, FunctionStage(getattr(code, name), given), {"data": doubled})
        code.CALLS.names.clear()
        yield opened


def test_a_batch_runs_a_shared_stage_once(store: Mistique, code: ModuleType) -> None:
    """Alone, each of the three re-runs `doubled`; together they run it once, and answer the same."""
    report = store.materialize("p", "m", policy={"policy": "budget", "bytes": 0})
    assert set(report.let_go) == {"doubled", "lowered", "squared"}
    store.gc(grace_seconds=0)
    code.CALLS.names.clear()
    queries = [Query("p.m.squared.d"), Query("p.m.lowered", strategy="rerun"), Query("p.m.doubled.b")]
    alone = [store.get_intermediates(query.keys, strategy=query.strategy) for query in queries]
    assert code.CALLS.names.count("doubled") == 3
    code.CALLS.names.clear()
    together = store.get_many(queries)
    assert sorted(code.CALLS.names) == ["doubled", "lowered", "squared"]
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)
        assert other.plan.strategy == "rerun"
    np.testing.assert_array_equal(together[0].values, (FRAME["a"].to_numpy() * 2) ** 2)


def test_one_query_of_several_intermediates_shares_too(store: Mistique, code: ModuleType) -> None:
    result = store.get_intermediates(["p.m.lowered.c", "p.m.squared.d"], strategy="rerun")
    assert sorted(code.CALLS.names) == ["doubled", "lowered", "squared"] or code.CALLS.names == ["lowered", "squared"]
    expected = pd.DataFrame({"p.m.lowered.c": FRAME["a"] * 2 - 1, "p.m.squared.d": (FRAME["a"] * 2) ** 2})
    pd.testing.assert_frame_equal(result.to_pandas(), expected, check_exact=True)


def test_columns_of_one_intermediate_are_read_together(store: Mistique) -> None:
    """Each answer has the columns of its own query, in its own order; none shares memory with another."""
    queries = [
        Query("p.m.lowered.c"),
        Query(["p.m.lowered.b", "p.m.lowered.a"]),
        Query("p.m.lowered"),
        Query("p.m.lowered.c", row_id=[1_005, 1_002]),
        Query("p.m.lowered.c", where=("a", ">", 0.5)),
    ]
    found = store.get_many(queries)
    assert [list(result.columns) for result in found] == [["c"], ["b", "a"], ["a", "b", "c"], ["c"], ["c"]]
    c = FRAME["a"] * 2 - 1
    np.testing.assert_array_equal(found[0].values, c.to_numpy())
    np.testing.assert_array_equal(found[3].values, c.loc[[1_005, 1_002]].to_numpy())
    np.testing.assert_array_equal(found[4].values, c[FRAME["a"] > 0.5].to_numpy())
    found[0].frame.iloc[0, 0] = -99.0
    assert found[2].frame["c"].iloc[0] == c.iloc[0]


def test_a_query_that_fails_is_named(store: Mistique) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        store.get_many([Query("p.m.lowered.c"), Query("p.m.nowhere.c")])
    assert store.get_many([]) == []
