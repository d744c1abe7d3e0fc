"""Rows some row blocks at a time: the same as all at once, from the columns and row blocks that are needed."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.measurements import save_rates
from mistique_core.cost import Rate
from mistique_core.engine.row_windows import ScanTally
from mistique_core.errors import InvalidInputError, NotFoundError, NotMaterializedError
from mistique_core.lineage import stage_code_hash
from mistique_core.model import Stage, StageResult
from mistique_core.workflows import FunctionStage

ROWS = 5_300
BLOCK = 1_000
RNG = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "step": np.arange(ROWS) * 3,
        "noise": RNG.standard_normal(ROWS),
        "kind": pd.Categorical(RNG.choice(["x", "y", "z"], ROWS)),
        "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(ROWS), unit="h"),
        "text": pd.Series(RNG.choice(["foo", "bär", None], ROWS), dtype=object),
        "count": pd.array(RNG.integers(0, 9, ROWS), "Int16"),
    },
    index=pd.Index(RNG.permutation(20_000)[:ROWS].astype("i8"), name="row_id"),
)
FRAME.loc[FRAME.index[::7], "noise"] = np.nan
FRAME.loc[FRAME.index[::11], "count"] = pd.NA
MAPS = RNG.standard_normal((2_500, 4, 6, 3)).astype("f4")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    with Mistique.open(folder, block_rows=BLOCK) as store:
        store.log_frame("p", "m", "x", FRAME)
        store.log_array("p", "m", "conv", MAPS)
        store.log_array("p", "m", "dense", MAPS[:, 0, 0, :], scheme="kbit(8)")
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[Mistique]:
    with Mistique.open(home) as opened:
        yield opened


@pytest.mark.parametrize("columns", [None, ["text"], ["count", "step"], []], ids=str)
@pytest.mark.parametrize("batch_rows", [None, 1, 300, 1_000, 4_000])
def test_all_batches_together_are_the_frame(store: Mistique, columns: list[str] | None, batch_rows: int | None) -> None:
    """Bit for bit, in stored order; and once more when it is iterated once more."""
    if batch_rows == 1:
        batches = list(itertools.islice(store.stream("p.m.x", columns, batch_rows=1), 2_100))
        assert {len(batch) for batch in batches} == {1}
        expected = FRAME.iloc[:2_100]
    else:
        stream = store.stream("p.m.x", columns, batch_rows=batch_rows)
        batches = list(stream)
        assert max(map(len, batches)) == min(batch_rows or BLOCK, BLOCK)
        expected = FRAME
        assert [len(batch) for batch in stream] == [len(batch) for batch in batches]
    pd.testing.assert_frame_equal(pd.concat(batches), expected if columns is None else expected[columns])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (("step", "<", 4_000), FRAME["step"] < 4_000),
        ([("step", ">", 8_990), ("noise", ">", 1.0)], (FRAME["step"] > 8_990) & (FRAME["noise"] > 1.0)),
        (("kind", "==", "y"), FRAME["kind"] == "y"),
        (("text", "in", ["foo"]), FRAME["text"] == "foo"),
        (("count", "!=", 3), (FRAME["count"] != 3).fillna(False)),
        (("when", ">=", pd.Timestamp("2020-06-01")), FRAME["when"] >= "2020-06-01"),
        (("row_id", "in", [int(FRAME.index[4]), -1, int(FRAME.index[-1])]), FRAME.index.isin(FRAME.index[[4, -1]])),
        (("step", ">", 10**9), np.zeros(ROWS, bool)),
        (("noise", "==", float("nan")), np.zeros(ROWS, bool)),
    ],
    ids=lambda value: str(value) if isinstance(value, (tuple, list)) else "",
)
def test_predicates_are_those_of_pandas(store: Mistique, where: Any, expected: Any) -> None:
    """Whether the named columns are asked for or not."""
    for columns in (None, ["noise"], ["text", "step"]):
        found = list(store.stream("p.m.x", columns, where=where, batch_rows=123))
        assert all(len(batch) for batch in found)
        wanted = FRAME[np.asarray(expected, bool)]
        wanted = wanted if columns is None else wanted[columns]
        pd.testing.assert_frame_equal(pd.concat([wanted.iloc[:0], *found]), wanted)


def test_only_needed_columns_and_blocks_are_read(home: Path) -> None:
    """Counted: the chunks of two columns and the row ids, in the two blocks that a range leaves."""
    where = [("step", ">=", 3_000), ("step", "<", 3 * 2_500)]
    with Mistique.open(home, cache_bytes=0) as store:
        stream = store.stream("p.m.x", ["noise"], where=where)
        assert sum(map(len, stream)) == 1_500
        fetched = stream.fetched
        assert (fetched.windows, fetched.skipped_windows) == (6, 4)
        assert (fetched.chunks, fetched.skipped_chunks) == (3 * 2, 3 * 4)
        everything = store.stream("p.m.x", ["noise", "step"])
        list(everything)
    assert everything.fetched.chunks == 3 * 6
    assert everything.fetched.skipped_chunks == 0
    # Of the second block, half of the rows, so perhaps fewer pages are read than all.
    assert fetched.stored_bytes + fetched.skipped_bytes <= everything.fetched.stored_bytes
    assert fetched.skipped_bytes > everything.fetched.stored_bytes // 2


def test_columns_are_not_read_where_no_row_is_wanted(home: Path) -> None:
    """A predicate that no range can decide: its column is read, the others in one block only."""
    row = FRAME.index[2_222]
    with Mistique.open(home, cache_bytes=0) as store:
        stream = store.stream("p.m.x", ["text", "noise"], where=("row_id", "==", int(row)))
        found = pd.concat(list(stream))
        pd.testing.assert_frame_equal(found, FRAME.loc[[row], ["text", "noise"]])
        assert stream.fetched.skipped_windows == 5
        assert stream.fetched.chunks - 4 <= 6  # the row ids of six blocks at most; text, lengths, missing and noise


def test_caches_stay_within_their_bounds(home: Path) -> None:
    """A stream does not touch the cache of queries, and keeps little itself."""
    with Mistique.open(home, cache_bytes=30_000) as store:
        kept = store.get_intermediates("p.m.x.step", row_id=FRAME.index[:BLOCK]).plan
        before = store._chunk_reader._cache._bytes
        assert kept is not None
        assert before > 0
        assert sum(map(len, store.stream("p.m.x"))) == ROWS
        assert store._chunk_reader._cache._bytes == before
        assert store._stream_chunks._cache._bytes <= 30_000
        assert store.frame_reader.knows_row_ids is not None
        assert store._row_sources._reader._row_indexes._values == {}


def test_arrow_batches_are_the_arrow_table(store: Mistique) -> None:
    """With the same types, whatever is in a batch; pyarrow computes on them without anything of ours."""
    reader = store.stream("p.m.x", batch_rows=250).to_batches()
    assert isinstance(reader, pa.RecordBatchReader)
    table = reader.read_all()
    assert table.schema == store.get_intermediates("p.m.x").to_arrow().schema
    assert table.equals(store.get_intermediates("p.m.x").to_arrow())
    assert pc.sum(table["step"]).as_py() == int(FRAME["step"].sum())
    none = store.stream("p.m.x", where=("step", "<", 0)).to_batches().read_all()
    assert (none.num_rows, none.schema) == (0, table.schema)


def test_units_and_maps(store: Mistique) -> None:
    """Maps as arrays and as tensors; what a lossy scheme has left as frames."""
    batches = list(store.stream("p.m.conv", ["2", "0"], batch_rows=700).arrays())
    assert list(batches[0]) == ["row_id", "2", "0"]
    np.testing.assert_array_equal(np.concatenate([batch["2"] for batch in batches]), MAPS[..., 2])
    np.testing.assert_array_equal(np.concatenate([batch["row_id"] for batch in batches]), np.arange(len(MAPS)))
    some = list(store.stream("p.m.conv.1", where=("row_id", ">=", 2_400)).arrays())
    np.testing.assert_array_equal(np.concatenate([batch["1"] for batch in some]), MAPS[2_400:, ..., 1])
    tensors = store.stream("p.m.conv.1").to_batches().read_all()["1"].combine_chunks()
    np.testing.assert_array_equal(tensors.to_numpy_ndarray(), MAPS[..., 1])
    table = store.get_intermediates("p.m.conv").to_arrow()
    np.testing.assert_array_equal(table["0"].combine_chunks().to_numpy_ndarray(), MAPS[..., 0])
    with pytest.raises(InvalidInputError, match=r"maps.*arrays\(\)"):
        iter(store.stream("p.m.conv"))
    dense = pd.concat(list(store.stream("p.m.dense", where=("1", ">", 0.5))))
    whole = store.get_intermediates("p.m.dense").to_pandas()
    pd.testing.assert_frame_equal(dense, whole[whole["1"] > 0.5])


@pytest.mark.parametrize("of", [1, 2, 4, 9])
def test_shares_are_every_row_once(store: Mistique, of: int) -> None:
    """Also shares of shares; more readers than row blocks leave some without rows."""
    stream = store.stream("p.m.x", ["step"], where=("step", ">", 100))
    shares = [list(stream.share(number, of)) for number in range(of)]
    found = pd.concat([batch for share in shares for batch in share]).sort_values("step")
    pd.testing.assert_frame_equal(found, FRAME.loc[FRAME["step"] > 100, ["step"]])
    of_shares = [batch for a in range(2) for b in range(of) for batch in stream.share(a, 2).share(b, of)]
    pd.testing.assert_frame_equal(pd.concat(of_shares).sort_values("step"), found)
    with pytest.raises(InvalidInputError, match=f"share {of} of {of}"):
        stream.share(of, of)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"columns": ["stpe"]}, NotFoundError, "did you mean 'step'"),
        ({"where": ("stpe", "<", 1)}, NotFoundError, "did you mean 'step'"),
        ({"columns": "step"}, InvalidInputError, r"\['step'\]"),
        ({"batch_rows": 0}, InvalidInputError, "batch_rows=0"),
        ({"where": ("step", "~", 1)}, InvalidInputError, "operator"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(store: Mistique, arguments: Any, error: type[Exception], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(error, match=message):
        store.stream("p.m.x", **arguments)


def source() -> pd.DataFrame:
    values = np.random.default_rng(5).standard_normal((4_200, 2))
    ids = np.random.default_rng(6).permutation(9_000)[:4_200].astype("i8")
    return pd.DataFrame(values, columns=["a", "b"], index=pd.Index(ids, name="row_id"))


class Doubled(Stage):
    row_wise = True

    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        return StageResult(frames={"": inputs["data"] * 2})


class Centred(Stage):
    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        return StageResult(frames={"": inputs["data"] - inputs["data"].mean()})


@pytest.mark.parametrize("is_reading_dear", [False, True])
def test_what_is_not_stored_is_made_by_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_reading_dear: bool
) -> None:
    """Where rows come from rows; else all at once if that is small, and not at all if it is not.

    Also where making the stored input again, which needs all its rows, is estimated to be faster than reading it.
    """
    if is_reading_dear:
        rates = {term: Rate(1e6, 1.0) for term in ("query", "chunk.plain", "stored.plain", "decoded.plain")}
        with Mistique.open(tmp_path), Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}").write() as connection:
            save_rates(connection, platform.node(), rates)
    with Mistique.open(tmp_path, block_rows=1_000) as store:
        with store.run("q", "m") as run:
            logged = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
            run.stage("doubled", Doubled(), {"data": logged})
            run.stage("centred", Centred(), {"data": logged})
        expected = {name: store.get_intermediates(f"q.m.{name}").frame for name in ("doubled", "centred")}
        store.materialize("q", "m", policy={"policy": "budget", "bytes": 0})
        store.gc(grace_seconds=0)
        assert not store.intermediates("q").query("intermediate != 'source'")["kept"].any()
        with _sizes_noted(monkeypatch) as sizes:
            found = pd.concat(list(store.stream("q.m.doubled", ["b"], where=("a", ">", 0.0))))
        assert max(sizes) == 1_000
        pd.testing.assert_frame_equal(found, expected["doubled"].loc[expected["doubled"]["a"] > 0, ["b"]])
        counted = store.sql("SELECT count(*) AS n, max(b) AS b FROM 'q.m.doubled' WHERE a > 0").df()
        assert counted.to_dict("list") == {"n": [len(found)], "b": [found["b"].max()]}
        pd.testing.assert_frame_equal(pd.concat(list(store.stream("q.m.centred"))), expected["centred"])
        monkeypatch.setattr("mistique_core.store.row_sources.WINDOW_BYTES", 100)
        with pytest.raises(NotMaterializedError, match=r"needs all rows at once.*get_intermediates\(\)"):
            store.stream("q.m.centred")


@contextmanager
def _sizes_noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield the numbers of rows that `Doubled` is given; that its code is the recorded one is said before."""
    code, original = stage_code_hash(Doubled()), Doubled.execute
    sizes: list[int] = []

    def noting(self: Doubled, inputs: Mapping[str, Any], learned: Any = None) -> StageResult:
        sizes.append(len(inputs["data"]))
        return original(self, inputs, learned)

    with monkeypatch.context() as patched:
        patched.setattr(Doubled, "execute", noting)
        # Of `Doubled` only: where reading is slow, its input is made again too.
        known = "mistique_core.engine.stage_loader.stage_code_hash"
        patched.setattr(known, lambda stage: code if isinstance(stage, Doubled) else stage_code_hash(stage))
        yield sizes


def test_a_server_and_object_storage(s3_location: str, postgres_url: str) -> None:
    """The same rows, from several threads of DuckDB and of this process."""
    with Mistique.open(s3_location, postgres_url, block_rows=BLOCK) as store:
        store.log_frame("p", "m", "x", FRAME)
        store.log_frame("p", "m", "y", FRAME[["noise"]])
        with ThreadPoolExecutor(2) as pool:
            parts = pool.map(lambda number: list(store.stream("p.m.x").share(number, 2)), range(2))
        found = pd.concat([batch for part in parts for batch in part])
        pd.testing.assert_frame_equal(found.sort_values("step"), FRAME)
        query = "SELECT sum(x.step) AS s FROM 'p.m.x' AS x JOIN 'p.m.y' AS y USING (row_id) WHERE y.noise > 0"
        assert store.sql(query).df()["s"].to_list() == [int(FRAME.loc[FRAME["noise"] > 0, "step"].sum())]


def test_tallies_begin_at_nothing() -> None:
    """Nothing was fetched before anything is."""
    assert vars(ScanTally()) == dict.fromkeys(vars(ScanTally()), 0)
