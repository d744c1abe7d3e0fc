"""Exact dedup, approximate dedup and the cache save bytes and time; no answer depends on them, in any combination."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import chunk
from mistique_core.store.result import QueryResult
from mistique_core.workflows import ReadCsvStage, SplitStage
from tests.sweeps import IS_EVERY

ROWS, BLOCK_ROWS = 3000, 2500
IDS = np.random.default_rng(1).permutation(10 * ROWS)[:ROWS].astype(np.int64)
SOME = IDS[[2999, 0, 1500, 2501, 7]]
SCHEMES = ("float16", "kbit(4)", "bounded(0.1)", "threshold(90%)", "pool(2)", "pool(S)", "pool(2)+float16")
EVERY = list(itertools.product((True, False), (True, False), (1 << 26, 0)))
COMBINATIONS = EVERY if IS_EVERY else [EVERY[at] for at in (0, 3, 5, 6)]
"""In a usual run each pair of two settings in each combination."""


def table(seed: int) -> pd.DataFrame:
    """Return columns of every kind; those of other seeds are equal, similar, or unlike."""
    random, shared = np.random.default_rng(seed), np.random.default_rng(0)
    similar = shared.normal(size=ROWS)
    similar[random.integers(0, ROWS, 20)] = [0.0, -0.0, np.nan, np.inf, -np.inf] * 4
    days = pd.to_datetime(shared.integers(0, 2_000_000_000, ROWS), unit="s")
    words = np.array(["", "Ghent", "ünï", "a long one " * 5])[random.integers(0, 4, ROWS)]
    columns = {
        "similar": similar,
        "shared": shared.normal(size=ROWS).astype("f4"),
        "half": random.normal(size=ROWS).astype("f2"),
        "count": random.integers(-(2**40), 2**40, ROWS),
        "near": shared.integers(0, 10**6, ROWS) + (random.random(ROWS) < 0.01),
        "small": random.integers(0, 200, ROWS).astype("u1"),
        "flag": random.random(ROWS) < 0.5,
        "maybe": pd.array(random.integers(0, 9, ROWS), dtype="Int32"),
        "perhaps": pd.array(random.random(ROWS) < 0.5, dtype="boolean"),
        "word": pd.Series(words, dtype="str"),
        "town": pd.Categorical(words, categories=sorted(set(words)), ordered=True),
        "day": days,
        "zoned": days.tz_localize("UTC").tz_convert("Europe/Brussels"),
        "lasts": pd.to_timedelta(random.integers(0, 10**6, ROWS), unit="s"),
        "decimals": np.round(shared.normal(size=ROWS) * 100, 2) + np.where(random.random(ROWS) < 0.01, 0.25, 0),
    }
    data = pd.DataFrame(columns)
    for name in ("maybe", "perhaps", "word", "town", "day"):
        data.loc[random.random(ROWS) < 0.1, name] = None
    return data.set_index(pd.Index(IDS, name="row_id"))


TABLES = {"one": table(1), "two": table(2), "again": table(1)[["town", "similar", "word"]], "none": table(1).iloc[:0]}
FLAT = np.random.default_rng(5).normal(size=(400, 6)).astype("f4")
MAPS = np.maximum(np.random.default_rng(6).normal(size=(120, 4, 4, 5)), 0).astype("f4")


@dataclass(frozen=True)
class Told:
    """What a store says about one question."""

    frame: pd.DataFrame
    values: npt.NDArray[np.generic]
    max_abs_error: float


def fill(store: Mistique, folder: Path) -> None:
    """Log everything, twice where it may be stored once, and delete some of it."""
    for name, data in TABLES.items():
        store.log_frame("p", name, "x", data)
    store.log_frame("p", "gone", "x", TABLES["two"].assign(more=1.0))
    with store.run("p", "layers") as run, store.session() as session:
        for number, scheme in enumerate((None, *SCHEMES)):
            session.log_array(run, f"maps{number}", MAPS, scheme=scheme, block_rows=50)
            if scheme is None or "pool" not in scheme:
                session.log_array(run, f"flat{number}", FLAT, scheme=scheme, block_rows=150)
        session.log_frame(
            run, "lossy", TABLES["one"][["similar", "shared"]].fillna(0).clip(-5, 5), scheme="bounded(0.1)"
        )
    csv = folder / "data.csv"
    TABLES["one"].reset_index(drop=True)[["count", "small", "decimals"]].to_csv(csv, index=False)
    for _ in range(2):
        with store.run("p", "pipeline") as run:
            source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
            run.stage("parts", SplitStage(test_size=0.25, seed=3), {"data": source})
    store.delete("p", "gone")
    store.gc(grace_seconds=0)


def ask(store: Mistique) -> dict[str, Told]:
    """Ask every kind of question, the whole ones first and last, when what they need may be in the cache."""
    answers: dict[str, Told] = {}

    def told(label: str, result: QueryResult) -> None:
        answers[label] = Told(result.frame, result.values, result.max_abs_error)

    for round_number in range(2):
        for name in TABLES:
            told(f"{name} {round_number}", store.get_intermediates(f"p.{name}.x", strategy="read"))
        for name in store.intermediates("p", "layers")["intermediate"]:
            whole = store.get_intermediates(f"p.layers.{name}")
            told(f"{name} {round_number}", whole)
            wanted = whole.row_id[[3, 60, 0]]
            told(f"some of {name} {round_number}", store.get_intermediates(f"p.layers.{name}", row_id=wanted))
        for name in ("one", "two"):
            key = f"p.{name}.x"
            told(f"some of {name} {round_number}", store.get_intermediates(key, row_id=SOME))
            told(f"slice of {name} {round_number}", store.get_intermediates(key, row_id=slice(SOME[0], None)))
            told(f"few of {name} {round_number}", store.get_intermediates(key, n_ex=11))
            for column in TABLES[name].columns:
                told(f"{column} of {name} {round_number}", store.get_intermediates(f"{key}.{column}", row_id=SOME))
            for where in (
                ("similar", ">", 1.0),
                ("shared", "<=", -2.5),
                ("count", "<", 0),
                ("small", "in", [1, 3, 250]),
                ("word", "==", "Ghent"),
                ("near", ">", 10**7),
            ):
                told(f"{where} in {name} {round_number}", store.get_intermediates(key, where=where))
        both = ["p.one.x.similar", "p.two.x.similar", "p.two.x.town"]
        told(f"joined {round_number}", store.get_intermediates(both, where=("similar", "<", 0)))
        for name in ("source", "parts_train", "parts_test"):
            for strategy in ("read", "rerun"):
                told(
                    f"{name} {strategy} {round_number}",
                    store.get_intermediates(f"p.pipeline.{name}", strategy=strategy),
                )
    return answers


def assert_same(found: Mapping[str, Told], expected: Mapping[str, Told]) -> None:
    assert found.keys() == expected.keys()
    for label, told in found.items():
        other = expected[label]
        pd.testing.assert_frame_equal(told.frame, other.frame, check_exact=True, obj=label)
        assert told.values.dtype == other.values.dtype, label
        if told.values.dtype != object:
            assert told.values.tobytes() == other.values.tobytes(), label
        assert told.max_abs_error == other.max_abs_error, label


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Return the answers with everything switched on, which give back exactly what was logged."""
    home = tmp_path_factory.mktemp("expected")
    with Mistique.open(
        home, block_rows=BLOCK_ROWS, exact_dedup=True, approximate_dedup=True, cache_bytes=1 << 26
    ) as store:
        fill(store, home)
        answers = ask(store)
        with store.catalogue.read() as connection:
            assert connection.scalar(sa.select(sa.func.count(chunk.c.base_id))) > 0
    for name, data in TABLES.items():
        for round_number in range(2):
            pd.testing.assert_frame_equal(answers[f"{name} {round_number}"].frame, data, check_exact=True)
    return answers


@pytest.mark.parametrize(("exact", "approximate", "cache_bytes"), COMBINATIONS)
def test_answers_are_the_same(
    exact: bool, approximate: bool, cache_bytes: int, expected: dict[str, Told], tmp_path: Path
) -> None:
    settings = {"exact_dedup": exact, "approximate_dedup": approximate, "cache_bytes": cache_bytes}
    with Mistique.open(tmp_path, block_rows=BLOCK_ROWS, **settings) as store:
        fill(store, tmp_path)
        assert_same(ask(store), expected)
        store.compact()
        store.gc(grace_seconds=0)
        assert store.check(read_data=True).problems == ()
    with Mistique.open(tmp_path, block_rows=BLOCK_ROWS, **settings) as store:
        assert_same(ask(store), expected)
        with store.catalogue.read() as connection:
            differences = connection.scalar(sa.select(sa.func.count(chunk.c.base_id)))
        assert bool(differences) == approximate
