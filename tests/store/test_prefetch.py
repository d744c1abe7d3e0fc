"""What is prefetched is not looked up again, and hides nothing that happens meanwhile."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.engine import block_places, version_records
from mistique_core.errors import NotFoundError
from mistique_core.store import query
from mistique_core.workflows import FunctionStage

FRAME = pd.DataFrame(
    {"a": np.arange(50.0), "b": list("vwxyz") * 10, "c": pd.Categorical(["low", "high"] * 25)},
    index=pd.RangeIndex(50, name="row_id"),
)
MAPS = np.random.default_rng(0).normal(size=(50, 3, 3, 6)).astype(np.float32)


@pytest.fixture
def store(catalogue_url: str, tmp_path: Path) -> Any:
    with Mistique.open(tmp_path / "store", catalogue_url, block_rows=20, cache_bytes=0) as opened:
        with opened.run("p", "m") as run:
            run.log_frame("x", FRAME)
            run.log_frame("y", FRAME.assign(a=FRAME["a"] * 2).drop(columns="b"))
            run.log_array("maps", MAPS, scheme="float16")
        yield opened


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is asked of the catalogue about what intermediates consist of."""
    found: list[str] = []
    for module, name in (
        (query, "gather_facts"),
        (version_records, "version_records"),
        (block_places, "column_chunks"),
    ):
        original = getattr(module, name)

        def told(*given: Any, name: str = name, original: Any = original) -> Any:
            found.append(name)
            return original(*given)

        monkeypatch.setattr(module, name, told)
    return found


def ask(store: Mistique) -> None:
    """Ask for everything, and compare."""
    for name in FRAME:
        pd.testing.assert_series_equal(store.get_intermediates(f"p.m.x.{name}").frame[name], FRAME[name])
    some = store.get_intermediates("p.m.y", row_id=[45, 3, 19]).frame
    pd.testing.assert_frame_equal(some, FRAME.assign(a=FRAME["a"] * 2).drop(columns="b").loc[[45, 3, 19]])
    units = store.get_intermediates(["p.m.maps.0", "p.m.maps.5"], row_id=slice(10, 30)).values
    np.testing.assert_array_equal(units, MAPS[10:30, :, :, [0, 5]].astype(np.float16))


def test_nothing_else_is_looked_up(store: Mistique, looked_up: list[str]) -> None:
    store.prefetch(["p.m.x", "p.m.y", "p.m@1.maps"])
    assert set(looked_up) == {"gather_facts", "version_records", "column_chunks"}
    looked_up.clear()
    ask(store)
    assert looked_up == []
    store.prefetch("p.m.x")
    assert looked_up == [], "it is known already"


def test_only_the_columns_that_are_named(store: Mistique, looked_up: list[str]) -> None:
    store.prefetch("p.m.x.a")
    looked_up.clear()
    assert store.get_intermediates("p.m.x.a").values.sum() == FRAME["a"].sum()
    assert looked_up == []
    ask(store)
    assert looked_up


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "store" / "partitions").rglob("*.h5")}


def test_what_was_moved_since_is_found(store: Mistique, catalogue_url: str, tmp_path: Path) -> None:
    store.prefetch(["p.m.x", "p.m.y", "p.m.maps"])
    with Mistique.open(tmp_path / "store", catalogue_url) as other:
        before = files(tmp_path)
        other.compact(rewrite=sorted(before))
        other.gc(grace_seconds=0)
        assert not before & files(tmp_path)
    ask(store)


def test_what_is_not_there_is_refused(store: Mistique) -> None:
    for key, missing in (("p.m.z", "'z'"), ("p.m.x.d", "'d'")):
        with pytest.raises(NotFoundError, match=missing):
            store.prefetch(key)


def twice(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(a=data["a"] * 2)


def test_what_is_not_stored_is_left_out(store: Mistique) -> None:
    with store.run("p", "later") as run:
        given = run.log_frame("given", FRAME).ref
        run.stage("twice", *FunctionStage.bind(twice, [given], {}))
    store.materialize("p", "later", policy={"policy": "adaptive", "gamma_min": 1e12})
    store.gc(grace_seconds=0)
    assert store.intermediates("p", "later").set_index("intermediate")["kept"].to_dict() == {
        "given": True,
        "twice": False,
    }
    store.prefetch("p.later.twice")
    assert store.get_intermediates("p.later.twice.b").plan.strategy == "read", "another intermediate keeps it"
    pd.testing.assert_frame_equal(store.get_intermediates("p.later.twice").to_pandas(), twice(FRAME))
