"""Hosts whose clocks disagree: nobody's work in progress is taken for garbage, and garbage is found all the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.captures import open_capture, silent_captures
from mistique_core.catalogue.clock import catalogue_seconds
from mistique_core.catalogue.open_writes import begin_write, open_writes
from mistique_core.catalogue.tables import model_version
from mistique_core.dedup import bytes_hash
from mistique_core.maintenance import collect_garbage
from mistique_core.partition import build_partition
from mistique_core.storage import StoredFile
from mistique_core.testing.faults import FaultyBackend

HOUR = 3_600.0
DAY = 24 * HOUR
SKEWS = (-30 * DAY, -60.0, 60.0, DAY)
clock = time.time


class ForeignClock(FaultyBackend):
    """A storage whose clock shows `skew` seconds more than the others; `aged` names are older by a time."""

    def __init__(self, inner: object, skew: float) -> None:
        super().__init__(inner)  # type: ignore[arg-type]
        self.skew = skew
        self.aged: dict[str, float] = {}

    def files(self) -> Iterator[StoredFile]:
        for file in super().files():
            yield file.moved(self.skew - self.aged.get(file.name, 0.0))

    def clock_seconds(self) -> float:
        return super().clock_seconds() + self.skew


def orphan(store: Mistique, seed: int) -> str:
    """Store a partition that no transaction makes visible."""
    data, _ = build_partition([], [{"note": seed}])
    name = f"{bytes_hash(data).hex()}.h5"
    assert store.backend.put_if_absent(name, data)
    return name


def show(patch: pytest.MonkeyPatch, skew: float) -> None:
    """Let the clock of this host show other seconds."""
    patch.setattr(time, "time", lambda: clock() + skew)


@pytest.mark.parametrize(("writer", "collector"), [(-DAY, 0.0), (DAY, 0.0), (0.0, DAY), (0.0, -DAY), (-DAY, 30 * DAY)])
def test_a_write_of_another_host_is_not_over(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: float, collector: float
) -> None:
    with Mistique.open(tmp_path / "store", postgres_url) as store:
        show(monkeypatch, writer)
        with store.catalogue.write() as connection:
            begin_write(connection, "w", "elsewhere", os.getpid())
        written = orphan(store, 1)
        show(monkeypatch, collector)
        report = collect_garbage(store.catalogue, store.backend, grace_seconds=HOUR)
        assert (report.stale_writes, report.deleted_files, report.waiting_files) == ((), (), 1)
        assert [file.name for file in store.backend.files()] == [written]
        show(monkeypatch, 0.0)
        with store.catalogue.read() as connection:
            (found,) = open_writes(connection)
            assert abs(found.started_at - clock()) < 60


@pytest.mark.parametrize("skew", SKEWS)
def test_a_capture_that_another_host_goes_on_with_is_not_given_up(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    with Mistique.open(tmp_path / "store", postgres_url) as store:
        store.log_frame("p", "m", "x", pd.DataFrame({"x": np.arange(3.0)}).rename_axis("row_id"))
        with store.catalogue.read() as connection:
            version = int(connection.scalar(sa.select(model_version.c.id)) or 0)
        show(monkeypatch, skew)
        with store.catalogue.write() as connection:
            open_capture(connection, version, "key", b"document")
            assert silent_captures(connection, catalogue_seconds(connection) - 60) == []
            assert len(silent_captures(connection, catalogue_seconds(connection) + 60)) == 1


@pytest.mark.parametrize("skew", SKEWS)
def test_files_are_as_old_as_their_storage_says(catalogue_url: str, tmp_path: Path, skew: float) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        backend = ForeignClock(store.backend, skew)
        fresh, old = orphan(store, 1), orphan(store, 2)
        backend.aged[old] = 3 * HOUR
        report = collect_garbage(store.catalogue, backend, grace_seconds=2 * HOUR)
        assert (report.deleted_files, report.orphans, report.waiting_files) == ((old,), (old,), 1)
        assert [file.name for file in store.backend.files()] == [fresh]


@pytest.mark.parametrize("skew", [-DAY, DAY])
def test_clocks_that_differ_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, skew: float) -> None:
    with Mistique.open(tmp_path / "store") as store:
        collect_garbage(store.catalogue, ForeignClock(store.backend, skew), grace_seconds=HOUR)
        assert f"differs by {skew:+.0f} s from the catalogue's" in caplog.text
        caplog.clear()
        collect_garbage(store.catalogue, store.backend, grace_seconds=HOUR)
        assert "differs" not in caplog.text
