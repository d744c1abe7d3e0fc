"""What was logged is what is answered: all of it, some rows, some columns, several intermediates."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError

RANDOM = np.random.default_rng(11)
ROWS = 57
FRAME = pd.DataFrame(
    {
        "age": RANDOM.integers(0, 90, ROWS),
        "income": RANDOM.normal(size=ROWS).round(2),
        "city": pd.Series(RANDOM.choice(["Bern", "Oslo", ""], ROWS), dtype="str"),
        "kind": pd.Categorical(RANDOM.choice(["x", "y"], ROWS)),
        "maybe": pd.array([None if n % 5 == 0 else n for n in range(ROWS)], dtype="Int64"),
        "seen": pd.date_range("2024-01-01", periods=ROWS, tz="Europe/Paris"),
    },
    index=pd.Index(RANDOM.permutation(ROWS) * 3, name="row_id"),
)
SCORES = pd.DataFrame({"score": RANDOM.normal(size=ROWS)}, index=FRAME.index[::-1]).iloc[5:]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    """Return a store with small row blocks that holds both frames."""
    with Mistique.open(tmp_path, block_rows=10) as opened:
        opened.log_frame("p", "m", "people", FRAME)
        opened.log_frame("p", "m", "scores", SCORES)
        yield opened


def test_a_whole_frame(store: Mistique) -> None:
    """Dtypes, missing values, order of rows and of columns."""
    result = store.get_intermediates("p.m.people")
    pd.testing.assert_frame_equal(result.to_pandas(), FRAME)
    assert result.row_id.tolist() == FRAME.index.tolist()
    assert list(result.columns) == list(FRAME.columns)
    assert result.max_abs_error == 0.0


def test_one_column_is_one_array(store: Mistique) -> None:
    """One dimension for one column, two for several."""
    assert np.array_equal(store.get_intermediates("p.m.people.income").values, FRAME["income"].to_numpy())
    both = store.get_intermediates(["p.m.people.age", "p.m.people.income"]).values
    assert np.array_equal(both, FRAME[["age", "income"]].to_numpy())


def test_rows_by_id_in_the_wanted_order(store: Mistique) -> None:
    """Across row blocks, in any order; a single id is one row."""
    wanted = RANDOM.permutation(FRAME.index)[:17]
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.people", row_id=wanted).frame, FRAME.loc[wanted])
    one = int(FRAME.index[20])
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.people", row_id=one).frame, FRAME.loc[[one]])


@pytest.mark.parametrize("count", [0, 1, 10, 11, ROWS, ROWS + 5])
def test_the_first_rows(store: Mistique, count: int) -> None:
    """In stored order; more than there are gives all."""
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.people", n_ex=count).frame, FRAME.head(count))


PREDICATES = {
    "equal": (("city", "==", "Oslo"), lambda f: f["city"] == "Oslo"),
    "unequal": (("kind", "!=", "x"), lambda f: f["kind"] != "x"),
    "less": (("income", "<", 0.0), lambda f: f["income"] < 0.0),
    "at least": (("age", ">=", 40), lambda f: f["age"] >= 40),
    "missing": (("maybe", ">", 20), lambda f: (f["maybe"] > 20).fillna(False).astype(bool)),
    "in": (("city", "in", ["Bern", ""]), lambda f: f["city"].isin(["Bern", ""])),
    "none": (("age", ">", 1000), lambda f: f["age"] > 1000),
    "all of": ([("age", ">", 20), ("kind", "==", "y")], lambda f: (f["age"] > 20) & (f["kind"] == "y")),
}


@pytest.mark.parametrize("case", PREDICATES)
def test_predicates_agree_with_pandas(store: Mistique, case: str) -> None:
    """Alone, with a limit, and for a column that is not asked for."""
    where, oracle = PREDICATES[case]
    expected = FRAME[oracle(FRAME)]
    pd.testing.assert_frame_equal(store.get_intermediates("p.m.people", where=where).frame, expected)
    limited = store.get_intermediates("p.m.people.income", where=where, n_ex=3).frame
    pd.testing.assert_frame_equal(limited, expected[["income"]].head(3))


def test_several_intermediates_are_joined_on_row_id(store: Mistique) -> None:
    """Rows that all of them hold, never by position."""
    result = store.get_intermediates(["p.m.people.age", "p.m.scores"]).frame
    expected = FRAME[["age"]].join(SCORES, how="inner").set_axis(["p.m.people.age", "p.m.scores.score"], axis=1)
    pd.testing.assert_frame_equal(result, expected)
    wanted = expected.index[[7, 3, 40]]
    some = store.get_intermediates(["p.m.people.age", "p.m.scores"], row_id=wanted, where=("score", "<", 9.0)).frame
    pd.testing.assert_frame_equal(some, expected.loc[wanted])


def test_arrow(store: Mistique) -> None:
    """Row ids come first, then the columns."""
    table = store.get_intermediates("p.m.people").to_arrow()
    assert table.column_names == ["row_id", *FRAME.columns]
    assert table["income"].to_pylist() == FRAME["income"].tolist()


@pytest.mark.parametrize(
    "key", ["q.m.people", "p.n.people", "p.m@9.people", "p.m.peeple", "p.m.people.aeg"], ids=lambda key: key
)
def test_unknown_names_are_not_found(store: Mistique, key: str) -> None:
    """One plain line with what exists."""
    with pytest.raises(NotFoundError) as caught:
        store.get_intermediates(key)
    assert "\n" not in str(caught.value)
    assert "known" in str(caught.value) or "did you mean" in str(caught.value)


def test_bad_questions_are_refused(store: Mistique) -> None:
    """Before anything is read."""
    with pytest.raises(NotFoundError, match="row_id 1 "):
        store.get_intermediates("p.m.people", row_id=[0, 1])
    for options in ({"row_id": [0, 0]}, {"row_id": [0.5]}, {"n_ex": -1}, {"where": ("age", "~", 1)}, {"where": "age"}):
        with pytest.raises(InvalidInputError):
            store.get_intermediates("p.m.people", **options)
    with pytest.raises(InvalidInputError):
        store.get_intermediates([])
    with pytest.raises(InvalidInputError, match="'kind'"):
        store.get_intermediates("p.m.people", where=("kind", "<", "y"))
    with pytest.raises(NotFoundError, match="height"):
        store.get_intermediates("p.m.people", where=("height", "<", 1))
