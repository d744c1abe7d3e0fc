"""Rankings of logged tables and arrays, against pandas and scikit-learn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError, RerunError

ROWS = 1_000
RANDOM = np.random.default_rng(11)
IDS = RANDOM.permutation(5_000)[:ROWS]


def table() -> pd.DataFrame:
    """Return columns with ties, missing values and, in one, an order in which most blocks do not matter."""
    noise = RANDOM.normal(size=ROWS)
    return pd.DataFrame(
        {
            "rising": np.arange(ROWS) / 7 + noise,
            "ties": RANDOM.integers(0, 4, ROWS),
            "gaps": np.where(noise > 1, np.nan, noise),
            "whole": pd.array(np.where(noise > 1, None, (noise * 100).round()), dtype="Int64"),
            "big": 2**60 + RANDOM.integers(0, 9, ROWS),
            "never": np.full(ROWS, np.nan),
            "text": ["a", "b"] * (ROWS // 2),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(RANDOM.integers(0, 99, ROWS), "D"),
        },
        index=pd.Index(IDS, name="row_id"),
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> Mistique:
    opened = Mistique.open(tmp_path_factory.mktemp("ranking"), block_rows=64, cache_bytes=0)
    opened.log_frame("p", "m", "table", frame)
    opened.log_frame("p", "m", "rough", frame[["gaps", "rising"]], scheme="bounded(0.25)")
    return opened


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [1, 10, 5_000])
@pytest.mark.parametrize("name", ["rising", "ties", "gaps", "whole", "big", "never", "when"])
def test_a_column_is_ranked_as_pandas_does(
    store: Mistique, frame: pd.DataFrame, name: str, k: int, largest: bool
) -> None:
    """Ties by row id, missing values never, more than there are gives all."""
    expected = frame[name].sort_index().dropna().sort_values(ascending=not largest, kind="stable").head(k)
    for exact in (False, True):
        found = store.top_k(f"p.m.table.{name}", k, largest=largest, exact=exact)
        assert found.row_id.tolist() == expected.index.tolist()
        assert list(found.values) == list(expected.to_numpy())
        assert found.exact
        assert found.rerun_rows == 0
        pd.testing.assert_frame_equal(found.to_pandas(), expected.to_frame(), check_dtype=False)


def test_row_blocks_whose_range_lies_outside_are_not_read(store: Mistique) -> None:
    found = store.top_k("p.m.table.rising", 5)
    assert "of 16 row blocks were read" in found.sentence
    assert int(found.sentence.split()[1]) <= 3
    assert found.plan.targets[0].reason == found.sentence
    assert found.plan.measured_seconds is not None


def test_neighbours_are_those_of_scikit_learn(store: Mistique, frame: pd.DataFrame) -> None:
    columns = ["rising", "ties"]
    values = frame[columns].to_numpy(float)
    distances, places = NearestNeighbors(n_neighbors=8).fit(values).kneighbors(values[[3]])
    found = store.nearest([f"p.m.table.{name}" for name in columns], int(IDS[3]), 7)
    assert found.row_id.tolist() == IDS[places[0, 1:]].tolist()
    np.testing.assert_allclose(found.values, distances[0, 1:], rtol=1e-9)
    assert found.exact


def test_equal_distances_come_by_row_id_and_rows_with_gaps_not_at_all(store: Mistique, frame: pd.DataFrame) -> None:
    row = int(IDS[0])
    found = store.nearest("p.m.table.ties", row, 5_000)
    distances = (frame["ties"] - frame.loc[row, "ties"]).abs().drop(row).sort_index()
    assert found.row_id.tolist() == distances.sort_values(kind="stable").index.tolist()
    whole = frame.index[frame["gaps"].notna()]
    assert set(store.nearest("p.m.table.gaps", int(whole[0]), 5_000).row_id) == set(whole[1:])
    with pytest.raises(InvalidInputError, match="missing values"):
        store.nearest("p.m.table.gaps", int(frame.index[frame["gaps"].isna()][0]), 3)


def test_what_is_stored_roughly_is_ranked_so_and_says_so(store: Mistique, frame: pd.DataFrame) -> None:
    found = store.top_k("p.m.rough.rising", 20)
    assert not found.exact
    assert "bounded(0.25)" in found.sentence
    top = frame["rising"].loc[found.row_id]
    assert (np.abs(found.values - top) <= found.max_abs_error).all()
    with pytest.raises(RerunError, match=r"rough is no layer of a network.*exact=False"):
        store.top_k("p.m.rough.rising", 20, exact=True)
    with pytest.raises(InvalidInputError, match="strategy='read' forbids"):
        store.top_k("p.m.rough.rising", 20, exact=True, strategy="read")


def test_one_row(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "one", np.ones((1, 3, 3, 2), np.float32), scheme="bounded(0.5)")
        assert store.top_k("p.m.one.0", by="mean").values.tolist() == [1.0]
        assert len(store.nearest("p.m.one", 0).row_id) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("p.m.table.rising", 0), InvalidInputError, "k=0"),
        (("p.m.table.rising", True), InvalidInputError, "k=True"),
        (("p.m.table", 3), InvalidInputError, "names all"),
        (("p.m.table.risin", 3), NotFoundError, "did you mean"),
        (("p.m.table.text", 3), InvalidInputError, "no order"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    store: Mistique, arguments: tuple[str, int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        store.top_k(*arguments)


def test_what_is_near_nothing_is_refused(store: Mistique) -> None:
    row = int(IDS[0])
    with pytest.raises(InvalidInputError, match="'text'"):
        store.nearest("p.m.table", row)
    with pytest.raises(InvalidInputError, match="2 intermediates"):
        store.nearest(["p.m.table.ties", "p.m.rough.gaps"], row)
    with pytest.raises(NotFoundError, match="row_id 77777"):
        store.nearest("p.m.table.ties", 77_777)
    with pytest.raises(InvalidInputError, match="no row id"):
        store.nearest("p.m.table.ties", "3")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="euclidean"):
        store.nearest("p.m.table.ties", row, metric="euclidian")
    with pytest.raises(InvalidInputError, match="did you mean"):
        store.top_k("p.m.table.ties", by="maxx")
    with pytest.raises(InvalidInputError, match="strategy 'fast'"):
        store.top_k("p.m.table.ties", strategy="fast")  # type: ignore[arg-type]
