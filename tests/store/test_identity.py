"""A catalogue and the folder that it points into belong together."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError

FRAME = pd.DataFrame({"x": [1.5, 2.5]})


def test_a_catalogue_is_not_opened_with_another_folder(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "first", catalogue_url) as store:
        store.log_frame("p", "m", "table", FRAME)
    with pytest.raises(InvalidInputError, match="belongs to another folder"):
        Mistique.open(tmp_path / "second", catalogue_url)
    with Mistique.open(tmp_path / "first", catalogue_url) as store:
        assert store.get_intermediates("p.m.table.x").values.tolist() == [1.5, 2.5]


def test_two_stores_do_not_mix(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Mistique.open(tmp_path / name).close()
    url = f"sqlite:///{tmp_path / 'first' / 'catalogue.db'}"
    with pytest.raises(InvalidInputError, match="belongs to another folder"):
        Mistique.open(tmp_path / "second", url)


def test_a_store_may_be_moved_as_a_whole(tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "here") as store:
        store.log_frame("p", "m", "table", FRAME)
    shutil.move(tmp_path / "here", tmp_path / "there")
    with Mistique.open(tmp_path / "there") as store:
        assert store.get_intermediates("p.m.table.x").values.tolist() == [1.5, 2.5]


def test_openings_at_once_agree(catalogue_url: str, tmp_path: Path) -> None:
    def opening(_: int) -> str:
        with Mistique.open(tmp_path / "store", catalogue_url):
            return (tmp_path / "store" / "store-id").read_text()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(opening, range(8)))) == 1
    assert [path.name for path in (tmp_path / "store").glob("store-id*")] == ["store-id"]
