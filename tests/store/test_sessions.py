"""A session writes what several calls log in full partitions, all of it or nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import chunk
from mistique_core.dedup import decimals
from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError
from mistique_core.frames import text
from mistique_core.partition import decimal_codes, factorize

ROWS = 300


def frame(seed: int) -> pd.DataFrame:
    """Return a table that shares one column with every other one."""
    return pd.DataFrame({"own": np.random.default_rng(seed).normal(size=ROWS), "shared": np.arange(ROWS) * 0.5})


def test_one_partition_for_many_frames(tmp_path: Path) -> None:
    """Without a session each call writes a file; with one they share it, and nothing shows before its end."""
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run:
        for number in range(3):
            run.log_frame(f"alone{number}", frame(number))
        assert store.stats().partitions == 3
        with store.session() as session:
            for number in range(10):
                data = frame(10 + number)
                session.log_frame(run, f"together{number}", data)
                data.iloc[:] = -1.0  # the caller may change what it has logged
            session.log_array(run, "layer", np.ones((ROWS, 5)), scheme="float16")
            assert session.reports == []
            with pytest.raises(NotFoundError):
                store.get_intermediates("p.m@1.together0")
        assert store.stats().partitions == 4
        assert [report.ref.intermediate for report in session.reports][:2] == ["together0", "together1"]
        assert session.reports[1].new_columns == 1
        for number in range(10):
            answer = store.get_intermediates(f"p.m@1.together{number}").frame
            pd.testing.assert_frame_equal(answer, frame(10 + number).rename_axis("row_id"), check_exact=True)
        assert store.check(read_data=True).problems == ()


def test_a_full_buffer_is_written(tmp_path: Path) -> None:
    """The limit in bytes holds; each flush is visible at once."""
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run:
        with store.session(buffer_bytes=5 * 8 * ROWS) as session:
            for number in range(10):
                session.log_frame(run, f"x{number}", frame(number))
                assert session.buffered_bytes < 5 * 8 * ROWS
            assert 0 < len(session.reports) < 10
            flushed = session.flush()
            assert len(session.reports) == 10
            assert session.reports[-1] == flushed[-1]
            assert session.flush() == []
        assert len(store.intermediates("p", "m")) == 10


def test_an_error_discards_what_waits(tmp_path: Path) -> None:
    """Nothing of a failed session is visible; what was refused does not disturb the rest."""
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run:
        session = store.session()

        def fail() -> None:
            with session:
                session.log_frame(run, "x", frame(0))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert len(store.intermediates("p", "m")) == 0
        with pytest.raises(InvalidInputError, match="the session has ended"):
            session.log_frame(run, "x", frame(0))
        with store.session() as session:
            session.log_frame(run, "x", frame(0))
            with pytest.raises(InvalidInputError):
                session.log_frame(run, "bad", pd.DataFrame({"o": [object()]}))
        assert store.intermediates("p", "m")["intermediate"].tolist() == ["x"]


def test_what_was_stored_is_deleted_before_the_session_ends(tmp_path: Path) -> None:
    """A session leaves out what the store holds; if that is gone at its end, it is written after all."""
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run:
        store.log_frame("p", "other", "x", frame(1))
        with store.session() as session:
            session.log_frame(run, "x", frame(1))
            session.log_frame(run, "y", frame(2))
            store.delete("p", "other")
            store.gc(grace_seconds=0)
        for name, seed in (("x", 1), ("y", 2)):
            answer = store.get_intermediates(f"p.m@1.{name}").frame
            pd.testing.assert_frame_equal(answer, frame(seed).rename_axis("row_id"), check_exact=True)
        assert store.check(read_data=True).problems == ()


def test_full_partitions_are_written_before_the_session_ends(tmp_path: Path) -> None:
    """They show nothing yet; if the session fails, garbage collection takes them, and a later session is whole."""
    with Mistique.open(tmp_path, partition_bytes=4_096) as store, store.run("p", "m") as run:

        def fail() -> None:
            with store.session() as session:
                for number in range(10):
                    session.log_frame(run, f"x{number}", frame(number))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert len(store.intermediates("p", "m")) == 0
        store.gc(grace_seconds=0)
        assert list(tmp_path.rglob("*.h5")) == []
        with store.session() as session:
            for number in range(10):
                session.log_frame(run, f"x{number}", frame(number))
            flushed = session.flush()
            session.log_frame(run, "again", frame(3))
        assert [report.ref.intermediate for report in flushed] == [f"x{number}" for number in range(10)]
        assert session.reports[-1].stored_bytes == 0
        assert store.stats().partitions > 3
        for number in range(10):
            answer = store.get_intermediates(f"p.m@1.x{number}").frame
            pd.testing.assert_frame_equal(answer, frame(number).rename_axis("row_id"), check_exact=True)
        assert store.check(read_data=True).problems == ()


def test_a_flush_that_fails_can_be_repeated(tmp_path: Path) -> None:
    """What waits stays in the session, whatever was logged in between."""
    with Mistique.open(tmp_path) as store, store.run("p", "m") as run, store.session() as session:
        session.log_frame(run, "x", frame(1))
        folder = next(path for path in tmp_path.iterdir() if path.is_dir())
        away = folder.rename(tmp_path / "away")
        folder.write_text("no folder")
        with pytest.raises(MistiqueError):
            session.flush()
        folder.unlink()
        away.rename(folder)
        session.log_frame(run, "y", frame(2))
        session.flush()
        for name, seed in (("x", 1), ("y", 2)):
            answer = store.get_intermediates(f"p.m@1.{name}").frame
            pd.testing.assert_frame_equal(answer, frame(seed).rename_axis("row_id"), check_exact=True)
        assert store.check(read_data=True).problems == ()


def test_a_session_stores_what_single_calls_store(tmp_path: Path) -> None:
    """The same chunks, encoded the same way, differences included; with and without the compiled kernels."""
    random = np.random.default_rng(3)
    base = pd.DataFrame({"a": random.lognormal(8, 1, 20_000), "cents": random.lognormal(9, 1, 20_000).round(2)})
    base.loc[base.index % 11 == 0, :] = np.nan
    base["town"] = pd.Series(random.choice(["Aachen", "Bonn", "Köln", None], 20_000), dtype=object)
    stages = [
        base,
        base.fillna({"a": 1.25, "cents": 1.25}),
        base.assign(a=base["a"] * 2),
        base.fillna({"a": 1.25, "cents": 1.25}).assign(b=random.integers(9)),
    ]

    def stored(store: Mistique) -> dict[bytes, tuple[object, ...]]:
        with store.catalogue.read() as connection:
            rows = connection.execute(sa.select(chunk.c.address, chunk.c.codec, chunk.c.stored_bytes)).all()
        return {row.address: (row.codec, row.stored_bytes) for row in rows}

    found = []
    for name in ("single", "session", "plain"):
        with Mistique.open(tmp_path / name, approximate_dedup=True) as store, store.run("p", "m") as run:
            with pytest.MonkeyPatch.context() as patch:
                for module in (decimal_codes, factorize, decimals, text) if name == "plain" else ():
                    patch.setattr(module, "kernels", None)
                if name == "single":
                    for number, stage in enumerate(stages):
                        run.log_frame(f"x{number}", stage)
                else:
                    with store.session() as session:
                        for number, stage in enumerate(stages):
                            session.log_frame(run, f"x{number}", stage)
            assert store.stats().delta_chunks >= 2
            found.append(stored(store))
            for number, stage in enumerate(stages):
                answer = store.get_intermediates(f"p.m@1.x{number}").frame
                pd.testing.assert_frame_equal(answer, stage.rename_axis("row_id"), check_exact=True)
    assert found[0] == found[1] == found[2]
