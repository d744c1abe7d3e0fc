"""SQL over keys: the answers of pandas, from the columns and row blocks that a query needs, and from nothing else."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mistique_core import Mistique
from mistique_core.errors import CorruptPartitionError, InvalidInputError, NotFoundError

ROWS = 6_400
BLOCK = 500
_RNG = np.random.default_rng(3)
HOMES = pd.DataFrame(
    {
        "step": np.arange(ROWS) * 3,
        "price": np.round(_RNG.standard_normal(ROWS) * 100, 3),
        "kind": pd.Categorical(_RNG.choice(["x", "y", "z"], ROWS)),
        "city": pd.Series(_RNG.choice(["Roma", "Zürich", None], ROWS), dtype="str"),
        "rooms": pd.array(_RNG.integers(0, 9, ROWS), "Int32"),
        "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(ROWS), unit="h"),
        "new": _RNG.random(ROWS) < 0.5,
        "Odd name": _RNG.integers(0, 5, ROWS),
    },
    index=pd.Index(np.arange(ROWS) + 100, name="row_id"),
)
HOMES.loc[HOMES.index[::7], "price"] = np.nan
HOMES.loc[HOMES.index[::11], "rooms"] = pd.NA
SCORES = pd.DataFrame(
    {"score": _RNG.standard_normal(ROWS // 2), "group": _RNG.integers(0, 4, ROWS // 2)}, index=HOMES.index[::2]
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sql")
    with Mistique.open(folder, block_rows=BLOCK, approximate_dedup=False) as store:
        store.log_frame("zillow", "P1", "homes", HOMES.iloc[::-1])
        store.log_frame("zillow", "P1", "scores", SCORES)
        store.log_frame("zillow", "P1", "homes", HOMES)  # the second version
        store.log_frame("zillow", "P1", "scores", SCORES)
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[Mistique]:
    with Mistique.open(home) as opened:
        yield opened


TABLE = "'zillow.P1.homes'"
Mask = Callable[[pd.DataFrame], Any]


def _predicates(chance: random.Random) -> tuple[str, Mask]:
    """Return a predicate in SQL, and in pandas as SQL means it: what is missing matches nothing."""
    step, rooms, row = chance.randrange(3 * ROWS), chance.randrange(9), 100 + chance.randrange(ROWS)
    price = round(chance.uniform(-200, 200), 2)
    day = pd.Timestamp("2020-01-01") + pd.Timedelta(hours=chance.randrange(ROWS))
    choices: list[tuple[str, Mask]] = [
        (f"step < {step}", lambda f: f["step"] < step),
        (f"step BETWEEN {step} AND {step + 2_000}", lambda f: f["step"].between(step, step + 2_000)),
        (f"price > {price}", lambda f: f["price"] > price),
        (f"price <> {price} AND price <= 50", lambda f: (f["price"] != price) & (f["price"] <= 50)),
        (f"rooms = {rooms}", lambda f: (f["rooms"] == rooms).fillna(False)),
        (f"rooms IN ({rooms}, 1)", lambda f: f["rooms"].isin([rooms, 1]).fillna(False)),
        ("rooms IS NULL", lambda f: f["rooms"].isna()),
        ("price IS NOT NULL", lambda f: f["price"].notna()),
        ("kind = 'y'", lambda f: f["kind"] == "y"),
        ("city LIKE 'Z%'", lambda f: f["city"].str.startswith("Z").fillna(False).astype(bool)),
        (f"sold >= TIMESTAMP '{day}'", lambda f: f["sold"] >= day),
        ("new", lambda f: f["new"]),
        (f"row_id >= {row}", lambda f: f.index >= row),
        (
            f'"Odd name" = {rooms % 5} OR step < {step // 4}',
            lambda f: (f["Odd name"] == rooms % 5) | (f["step"] < step // 4),
        ),
        (f"NOT (step > {step})", lambda f: ~(f["step"] > step)),
    ]
    number = chance.choice([0, 1, 1, 2, 2])
    picked = chance.sample(choices, number)
    text = " AND ".join(f"({sql})" for sql, _ in picked) or "TRUE"
    masks = [mask for _, mask in picked]

    def mask(frame: pd.DataFrame) -> Any:
        held = np.ones(len(frame), bool)
        for one in masks:
            held &= np.asarray(one(frame), bool)
        return held

    return text, mask


def _plain(chance: random.Random) -> tuple[str, Callable[[], pd.DataFrame]]:
    names = chance.sample(list(HOMES.columns), chance.randint(1, 4))
    where, mask = _predicates(chance)
    shown = ", ".join(f'"{name}"' for name in names)
    return f"SELECT row_id, {shown} FROM {TABLE} WHERE {where} ORDER BY row_id", lambda: HOMES[mask(HOMES)][
        names
    ].reset_index()


def _limited(chance: random.Random) -> tuple[str, Callable[[], pd.DataFrame]]:
    where, mask = _predicates(chance)
    limit, offset = chance.randint(1, 50), chance.randint(0, 20)
    query = (
        f"SELECT row_id, price FROM {TABLE} WHERE {where} ORDER BY price DESC NULLS LAST, row_id "
        f"LIMIT {limit} OFFSET {offset}"
    )

    def expected() -> pd.DataFrame:
        found = HOMES[mask(HOMES)].reset_index().sort_values(["price", "row_id"], ascending=[False, True])
        return found[["row_id", "price"]].iloc[offset : offset + limit].reset_index(drop=True)

    return query, expected


def _grouped(chance: random.Random) -> tuple[str, Callable[[], pd.DataFrame]]:
    where, mask = _predicates(chance)
    by = chance.choice(["kind", "Odd name", "new"])
    query = (
        f'SELECT "{by}", count(*) AS n, count(rooms) AS known, sum(step) AS total, avg(price) AS mean, '
        f"max(sold) AS last "
        f'FROM {TABLE} WHERE {where} GROUP BY ALL ORDER BY "{by}"'
    )

    def expected() -> pd.DataFrame:
        found = HOMES[mask(HOMES)]
        return (
            found.groupby(by, observed=True)
            .agg(
                n=("step", "size"),
                known=("rooms", "count"),
                total=("step", "sum"),
                mean=("price", "mean"),
                last=("sold", "max"),
            )
            .reset_index()
        )

    return query, expected


def _joined(chance: random.Random) -> tuple[str, Callable[[], pd.DataFrame]]:
    where, mask = _predicates(chance)
    least = round(chance.uniform(-1, 1), 3)
    query = (
        f"SELECT h.row_id, h.step, s.score FROM (SELECT * FROM {TABLE} WHERE {where}) h "
        f'JOIN "zillow.P1@2.scores" AS s USING (row_id) WHERE s.score > {least} ORDER BY ALL'
    )

    def expected() -> pd.DataFrame:
        both = HOMES[mask(HOMES)][["step"]].join(SCORES[SCORES["score"] > least][["score"]], how="inner")
        return both.reset_index().sort_values("row_id").reset_index(drop=True)

    return query, expected


@pytest.mark.parametrize("seed", range(52))
def test_random_queries_equal_pandas(store: Mistique, seed: int) -> None:
    """Projections, filters, groups, joins, orders and limits, of values of every kind."""
    chance = random.Random(seed)
    query, expected = [_plain, _limited, _grouped, _joined][seed % 4](chance)
    found, wanted = store.sql(query).df(), expected()
    assert list(found.columns) == list(wanted.columns)
    assert len(found) == len(wanted), query
    for name in wanted:
        left, right = found[name], wanted[name]
        if right.dtype.kind == "f":
            np.testing.assert_allclose(left.to_numpy(dtype=float), right.to_numpy(), rtol=1e-12, err_msg=query)
        else:
            none = [None if pd.isna(value) else value for value in left.astype(object)]
            assert none == [None if pd.isna(value) else value for value in right.astype(object)], (query, name)


@pytest.mark.parametrize(
    ("query", "columns", "blocks"),
    [
        ("SELECT count(*) FROM {}", ["row_id"], 13),
        ("SELECT sum(step) FROM {}", ["step"], 13),
        ("SELECT sum(step) FROM {} WHERE step BETWEEN 3000 AND 5999", ["step"], 2),
        ("SELECT avg(price) FROM {} WHERE step >= 3000 AND step < 6000", ["step", "price"], 2),
        ("SELECT avg(price) FROM {} WHERE row_id < 600", ["row_id", "price"], 1),
        ("SELECT price FROM {} WHERE step IN (7, 15000, 15003)", ["step", "price"], 1),
        ("SELECT max(sold) FROM {} WHERE sold > TIMESTAMP '2020-09-20 00:00:00'", ["sold"], 1),
        ("SELECT count(price) FROM {} WHERE step < 0", ["step", "price"], 0),
        ("SELECT count(*) FROM {} WHERE step > 19000 OR step < 100", ["row_id", "step"], 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_what_is_needed_is_read(home: Path, query: str, columns: list[str], blocks: int) -> None:
    """Counted in chunks: these columns, in these row blocks; all their other blocks are counted as skipped."""
    with Mistique.open(home, cache_bytes=0) as store:
        fetched = store.sql(query.format("'zillow.P1@2.homes'")).fetched
    extra = 1 if "step IN" in query else 0  # block 0 holds no 7, which only its values say: of it, `step` alone is read
    assert fetched.chunks == len(columns) * blocks + extra
    assert fetched.chunks + fetched.skipped_chunks == len(columns) * 13
    assert fetched.windows == 13
    assert fetched.skipped_windows == 13 - blocks
    assert (fetched.stored_bytes > 0) is (blocks > 0)


def test_each_key_counts_for_itself(home: Path) -> None:
    """Of a join: what each side read, and both together."""
    query = (
        "SELECT h.price, s.score FROM 'zillow.P1@2.homes' AS h JOIN 'zillow.P1@2.scores' AS s ON h.row_id = s.row_id "
        "WHERE h.row_id < 600"
    )
    with Mistique.open(home, cache_bytes=0) as store:
        result = store.sql(query)
    homes, scores = result.fetched_by_key["zillow.P1@2.homes"], result.fetched_by_key["zillow.P1@2.scores"]
    assert homes.chunks == 2
    assert scores.skipped_windows in (0, 6)  # whether DuckDB tells the other side about the bound
    assert result.fetched.chunks == homes.chunks + scores.chunks
    assert result.fetched.stored_bytes == homes.stored_bytes + scores.stored_bytes


def test_versions_are_tables_of_their_own(store: Mistique) -> None:
    """No version is the latest one; names are matched exactly."""
    query = "SELECT {} FROM 'zillow.P1@1.homes' AS a JOIN 'zillow.P1.homes' AS b USING (row_id)"
    both = store.sql(query.format("count(*) AS n, sum(a.step - b.step) AS d")).df()
    assert both.to_dict("list") == {"n": [ROWS], "d": [0]}
    firsts = store.sql("SELECT first(row_id) AS f FROM (SELECT row_id FROM 'zillow.P1@1.homes' LIMIT 1)").df()
    assert firsts["f"].to_list() == [100 + ROWS - 1]
    one = store.sql("SELECT * FROM 'zillow.P1.homes.step' LIMIT 2").to_arrow()
    assert one.column_names == ["row_id", "step"]


def test_the_answer_is_arrow_and_pandas(store: Mistique) -> None:
    """Sums of integers are integers."""
    result = store.sql(f"SELECT sum(step) AS s, avg(step) AS a, sum(step)::DECIMAL(20, 2) / 2 AS d FROM {TABLE}")
    assert isinstance(result.to_arrow(), pa.Table)
    assert result.df()["s"].dtype == np.int64
    assert result.df().to_dict("list") == {
        "s": [int(HOMES["step"].sum())],
        "a": [HOMES["step"].mean()],
        "d": [HOMES["step"].sum() / 2],
    }
    assert repr(result) == "<SqlResult: 1 rows, 3 columns>"


def test_units_maps_and_rare_types(tmp_path: Path) -> None:
    """Maps are nested lists of fixed size; what DuckDB has no type for is another one, or left out."""
    maps = np.random.default_rng(2).standard_normal((700, 2, 3, 2)).astype("f4")
    frame = pd.DataFrame(
        {
            "half": np.arange(5).astype("f2"),
            "swapped": np.arange(5).astype(">i4"),
            "rome": pd.date_range("2020-01-01", periods=5, tz="Europe/Rome"),
            "took": pd.to_timedelta(np.arange(5), unit="s"),
            "flag": pd.array([True, None, False, True, False], "boolean"),
            "z": np.arange(5) * 1j,
            "Half": [9, 8, 7, 6, 5],
        }
    )
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "conv", maps)
        store.log_array("p", "m", "kbit", maps[:, 0, 0, :], scheme="kbit(8)")
        store.log_frame("p", "m", "rare", frame)
        cells = store.sql("SELECT \"1\"[2][3] AS cell FROM 'p.m.conv' WHERE row_id >= 650 ORDER BY row_id").df()
        np.testing.assert_array_equal(cells["cell"], maps[650:, 1, 2, 1])
        kept = store.get_intermediates("p.m.kbit.0").to_pandas()["0"]
        counted = store.sql("SELECT count(*) AS n FROM 'p.m.kbit' WHERE \"0\" > 0.5::FLOAT").df()
        assert counted["n"].to_list() == [int((kept > 0.5).sum())]
        query = "SELECT half, swapped, \"Half_1\" AS other FROM 'p.m.rare' WHERE swapped > 2 AND half < 4"
        assert store.sql(query).df().to_dict("list") == {"half": [3.0], "swapped": [3], "other": [6]}
        query = "SELECT row_id FROM 'p.m.rare' WHERE rome > TIMESTAMPTZ '2020-01-03 00:00:00+01' AND NOT flag"
        assert store.sql(query).df()["row_id"].to_list() == [4]
        query = "SELECT row_id FROM 'p.m.rare' WHERE took > INTERVAL 2 SECONDS"
        assert store.sql(query).df()["row_id"].to_list() == [3, 4]
        assert "z" not in store.sql("SELECT * FROM 'p.m.rare'").to_arrow().column_names


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("DROP TABLE x", InvalidInputError, "is not one SELECT"),
        ("SELECT 1; SELECT 2", InvalidInputError, "is not one SELECT"),
        ("SELECT 1; DROP TABLE x", InvalidInputError, "is not one SELECT"),
        ("SET threads = 1", InvalidInputError, "is not one SELECT"),
        ("COPY (SELECT 1) TO 'x.csv'", InvalidInputError, "is not one SELECT"),
        ("", InvalidInputError, "is not one SELECT"),
        ("SELEC", InvalidInputError, "syntax error"),
        ("SELECT nothing FROM 'zillow.P1.homes'", InvalidInputError, "nothing"),
        ("SELECT 1 FROM 'zillow.P1.hoems'", NotFoundError, "did you mean 'homes'"),
        ("SELECT 1 FROM 'zillow.P1@9.homes'", NotFoundError, "9"),
        ("SELECT 1 FROM zillow.P1.homes", InvalidInputError, "not in quotes; write 'zillow.P1.homes'"),
        ("SELECT 1 FROM homes", InvalidInputError, "'homes' is no key"),
        ("SELECT 1 FROM 'zillow.P1.homes', 'zillow.p1.homes'", InvalidInputError, "upper and lower case"),
        ("SELECT 1 FROM 'x.csv'", InvalidInputError, "no key"),
        (17, InvalidInputError, "is a int"),
    ],
    ids=str,
)
def test_what_is_refused_is_explained(store: Mistique, query: Any, error: type[Exception], message: str) -> None:
    """One line with the value and the remedy."""
    with pytest.raises(error, match=message) as caught:
        store.sql(query)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{}/secret.csv')",
        "SELECT * FROM read_text('{}/secret.csv')",
        "SELECT * FROM glob('{}/*')",
        "SELECT * FROM sniff_csv('{}/secret.csv')",
        "SELECT * FROM query_table('{}/secret.csv')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{}/made.csv''')",
        "SELECT * FROM query('SELECT * FROM ''{}/secret.csv''')",
        "SELECT * FROM sqlite_scan('{}/catalogue.sqlite', 'chunk')",
        "SELECT * FROM python_variable",
        "SELECT getenv('HOME') FROM 'zillow.P1.homes'",
        "SELECT getvariable('x'), * FROM parquet_scan('{}/x.parquet')",
    ],
)
def test_a_query_reaches_nothing_else(store: Mistique, tmp_path: Path, query: str) -> None:
    """No file is read, listed or written, nor a variable of the process, though they are there."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    python_variable = pd.DataFrame({"a": [1]})
    assert len(python_variable) == 1
    with pytest.raises(InvalidInputError):
        store.sql(query.format(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_damage_is_told_as_damage(tmp_path: Path) -> None:
    """Not as a failure of DuckDB: the error is the one of every other read."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"a": np.random.default_rng(1).standard_normal(3_000)}))
    for path in tmp_path.rglob("*.h5"):
        data = bytearray(path.read_bytes())
        data[len(data) // 4 : 3 * len(data) // 4] = bytes(len(data) // 4 * 3 - len(data) // 4)
        path.chmod(0o644)
        path.write_bytes(bytes(data))
    with Mistique.open(tmp_path) as store, pytest.raises(CorruptPartitionError):
        store.sql("SELECT sum(a) FROM 'p.m.x'")


def test_without_duckdb_the_error_names_the_extra(tmp_path: Path) -> None:
    """In a process in which DuckDB cannot be imported."""
    program = f"""
import sys
sys.modules["duckdb"] = None
from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
with Mistique.open({str(tmp_path)!r}) as store:
    try:
        store.sql("SELECT 1")
    except InvalidInputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "store.sql() needs DuckDB; install it with: pip install 'mistique-airflow[sql]'"
