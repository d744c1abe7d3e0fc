"""A session writes what several calls log in full partitions, all of it or nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError

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
