"""The files that are generated match what is known of the competition's, and the stage reads either."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.zillow import FILES, ReadZillowStage, properties, sales, submission, write_files
from mistique_core.workflows.zillow.facts import ALL_HOMES, MISSING, SOLD_SHARE, TEXT_COLUMNS

sys.path.insert(0, str(Path(__file__).parent))
from zillow_known import KNOWN

ROWS = 300_000
JUNK = ("censustractandblock",)
"""The original's extremes are no census blocks (-1, and one in another state); the generator leaves them out."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zillow")
    assert main(["zillow", "generate", "--rows", str(ROWS), "--folder", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def homes(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / FILES["properties"], low_memory=False)


def test_missing_rates_are_within_one_percentage_point(homes: pd.DataFrame) -> None:
    assert list(homes.columns) == list(MISSING)
    assert len(homes) == ROWS
    difference = (homes.isna().mean() - pd.Series(MISSING)).abs()
    assert difference.max() < 0.01, difference.idxmax()


def test_ranges_and_cardinalities_are_of_the_same_order(homes: pd.DataFrame) -> None:
    """A tenth of the homes has fewer extremes and fewer different values, but not ten times fewer than it can."""
    for name, (low, high, distinct) in KNOWN.items():
        found = homes[name].nunique(dropna=False)
        possible = min(distinct, (1 - MISSING[name]) * ROWS + 1)
        assert possible / 10 <= found <= distinct * 3, (name, found, distinct)
        if low is None or high is None:
            continue
        margin = 0.02 * (high - low)
        assert low - margin <= homes[name].min(), name
        assert homes[name].max() <= high + margin, name
        span = homes[name].quantile(0.99) - homes[name].quantile(0.01)
        assert homes[name].max() - homes[name].min() >= span, name
        if high > low and distinct > 3 and name not in JUNK:
            assert np.log10(high - low) - np.log10(max(homes[name].max() - homes[name].min(), 1e-9)) < 1.6, name


def test_the_other_tables_fit_to_it(folder: Path, homes: pd.DataFrame) -> None:
    train = pd.read_csv(folder / FILES["train"])
    test = pd.read_csv(folder / FILES["test"])
    assert list(train.columns) == ["parcelid", "logerror", "transactiondate"]
    assert len(train) == pytest.approx(SOLD_SHARE * ROWS, rel=0.05)
    assert train["parcelid"].isin(homes["parcelid"]).all()
    assert test["ParcelId"].tolist() == homes["parcelid"].tolist()
    assert list(test.columns)[1:] == ["201610", "201611", "201612", "201710", "201711", "201712"]


def test_the_files_hold_exactly_the_generated_tables(tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    paths = write_files(tmp_path / "new", 1_000, 5, lambda done, total: reports.append((done, total)))
    expected = properties(1_000, 5, strings="str")
    got = pd.read_csv(paths["properties"], dtype=dict.fromkeys(TEXT_COLUMNS, "str"))
    pd.testing.assert_frame_equal(got, expected.reset_index(drop=True))
    pd.testing.assert_frame_equal(pd.read_csv(paths["train"]), sales(expected, 6).reset_index(drop=True))
    pd.testing.assert_frame_equal(pd.read_csv(paths["test"]), submission(expected))
    assert reports[-1][0] == reports[-1][1]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES.values())


@pytest.mark.parametrize("rows", [0, -1, ALL_HOMES + 1])
def test_impossible_numbers_of_homes_are_refused(tmp_path: Path, rows: int) -> None:
    with pytest.raises(InvalidInputError, match=r"give 1 to 2,985,217"):
        write_files(tmp_path, rows)


@pytest.mark.parametrize("table", sorted(FILES))
def test_the_stage_gives_the_same_from_files_and_from_the_generator(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MISTIQUE_ZILLOW_DIR", raising=False)
    stage = ReadZillowStage(table, rows=2_000, seed=3)
    generated = stage.execute({}).frames[""]
    write_files(tmp_path, 2_000, 3)
    monkeypatch.setenv("MISTIQUE_ZILLOW_DIR", str(tmp_path))
    read = stage.execute({}).frames[""]
    homes = properties(2_000, 3).set_index("parcelid", drop=False)
    pd.testing.assert_frame_equal(read, generated)
    assert read.index.name == "row_id"
    assert read.index.tolist() == (homes.loc[read.index] if table == "train" else homes)["parcelid"].tolist()


def test_a_home_that_was_sold_twice_counts_with_its_last_sale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILES["train"]).write_text(
        "parcelid,logerror,transactiondate\n7,0.1,2016-01-01\n9,0.2,2016-02-01\n7,0.3,2016-03-01\n"
    )
    monkeypatch.setenv("MISTIQUE_ZILLOW_DIR", str(tmp_path))
    frame = ReadZillowStage("train").execute({}).frames[""]
    assert frame["logerror"].to_dict() == {9: 0.2, 7: 0.3}


def test_a_folder_without_the_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTIQUE_ZILLOW_DIR", str(tmp_path))
    with pytest.raises(NotFoundError, match=r"has no train_2016_v2\.csv"):
        ReadZillowStage("train").execute({})
    with pytest.raises(InvalidInputError, match="did you mean 'train'"):
        ReadZillowStage("trian")


def test_tables_are_reused_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files in another folder are the same; other rows are not."""
    monkeypatch.delenv("MISTIQUE_ZILLOW_DIR", raising=False)
    with Mistique.open(tmp_path / "store") as store:

        def reused(rows: int) -> bool:
            with store.run("zillow", "m") as run:
                return run.stage("train", ReadZillowStage("train", rows)).reused

        assert [reused(500), reused(500), reused(600)] == [False, True, False]
        results = []
        for name in ("one", "two"):
            write_files(tmp_path / name, 500)
            monkeypatch.setenv("MISTIQUE_ZILLOW_DIR", str(tmp_path / name))
            results.append(reused(500))
        assert results == [False, True]
