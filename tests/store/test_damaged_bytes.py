"""Damaged partitions are reported; a wrong value is never returned."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import CorruptPartitionError, StorageError

FRAME = pd.DataFrame({"steps": (np.arange(20) * 0.37).round(2), "text": pd.Series(["ab", None] * 10, dtype="str")})


def only_partition(home: Path) -> Path:
    """Return the path of the single partition."""
    (path,) = (home / "partitions").rglob("*.h5")
    return path


def ask(home: Path, key: str) -> pd.DataFrame:
    """Open the store anew, so that nothing is cached, and read."""
    with Mistique.open(home, cache_bytes=0) as store:
        return store.get_intermediates(key, strategy="read").frame


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_every_flipped_byte_is_noticed(tmp_path: Path, mask: int) -> None:
    """Each byte of each chunk of a column, one at a time, through the store."""
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        store.log_frame("p", "m", "x", FRAME)
        path = only_partition(tmp_path)
        good = path.read_bytes()
        plain = sqlite3.connect(tmp_path / "catalogue.db")
        ranges = plain.execute("SELECT DISTINCT byte_offset, stored_bytes FROM chunk WHERE stored_bytes > 0").fetchall()
        plain.close()
        expected = FRAME.rename_axis("row_id")
        for offset, size in ranges:
            for position in range(offset, offset + size):
                path.write_bytes(good[:position] + bytes([good[position] ^ mask]) + good[position + 1 :])
                try:
                    # row ids are kept in memory by an open store, so a flip in them may go unread, but never wrong
                    pd.testing.assert_frame_equal(store.get_intermediates("p.m.x", strategy="read").frame, expected)
                except CorruptPartitionError:
                    continue
        path.write_bytes(good)
        pd.testing.assert_frame_equal(ask(tmp_path, "p.m.x"), expected)
        start = next(offset for offset, size in ranges if size > 8)
        path.write_bytes(good[:start] + bytes(8) + good[start + 8 :])
        with pytest.raises(CorruptPartitionError):
            ask(tmp_path, "p.m.x")


@pytest.mark.parametrize("keep", [0, 1, 0.5])
def test_a_truncated_partition(tmp_path: Path, keep: float) -> None:
    """Whatever is left of the file."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", FRAME)
    path = only_partition(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep in (0, 1) else keep * len(data))])
    with pytest.raises(CorruptPartitionError):
        ask(tmp_path, "p.m.x")


def test_a_missing_partition(tmp_path: Path) -> None:
    """The message names the file and what to do."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", FRAME)
    path = only_partition(tmp_path)
    path.unlink()
    with pytest.raises(CorruptPartitionError, match="backup") as caught:
        ask(tmp_path, "p.m.x")
    assert path.name in str(caught.value)


def test_a_partition_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing becomes visible, and the next try succeeds."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", FRAME)
        folder = tmp_path / "partitions"
        folder.rename(tmp_path / "away")
        folder.write_text("in the way")
        with pytest.raises(StorageError):
            store.log_frame("p", "m", "y", FRAME * 2)
        folder.unlink()
        (tmp_path / "away").rename(folder)
        assert store.intermediates()["intermediate"].tolist() == ["x"]
        store.log_frame("p", "m", "y", FRAME * 2)
        pd.testing.assert_frame_equal(ask(tmp_path, "p.m.y"), (FRAME * 2).rename_axis("row_id"))
