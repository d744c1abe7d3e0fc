"""Versions: each run makes one, the latest complete one answers, a running one only by number."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import NotFoundError


def frame(value: float) -> pd.DataFrame:
    """Return a frame that tells which version it is from."""
    return pd.DataFrame({"a": np.full(4, value)})


def value(store: Mistique, key: str) -> float:
    """Return the value that the answer is full of."""
    return float(store.get_intermediates(key).values[0])


def test_logging_a_name_again_starts_the_next_version(tmp_path: Path) -> None:
    """Frames of one pass belong together."""
    with Mistique.open(tmp_path) as store:
        for number in (1.0, 2.0):
            first = store.log_frame("p", "m", "x", frame(number)).ref
            second = store.log_frame("p", "m", "y", frame(number + 10)).ref
            assert first.version == second.version == number
        assert value(store, "p.m.x.a") == 2.0
        assert value(store, "p.m@1.x.a") == 1.0
        assert value(store, "p.m@1.y.a") == 11.0


def test_a_running_version_is_seen_by_number_only(tmp_path: Path) -> None:
    """Nobody reads a half-finished model by accident."""
    with Mistique.open(tmp_path) as store:
        run = store.run("p", "m")
        run.log_frame("x", frame(1.0))
        with pytest.raises(NotFoundError, match="no complete version"):
            store.get_intermediates("p.m.x.a")
        assert value(store, "p.m@1.x.a") == 1.0
        run.finish()
        assert value(store, "p.m.x.a") == 1.0
        with store.run("p", "m") as second:
            second.log_frame("x", frame(2.0))
            assert value(store, "p.m.x.a") == 1.0
        assert value(store, "p.m.x.a") == 2.0


def test_a_failed_run_is_not_the_latest(tmp_path: Path) -> None:
    """It stays visible by number, with its error recorded."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame(1.0))

        def fail() -> None:
            with store.run("p", "m") as run:
                run.log_frame("x", frame(2.0))
                raise ZeroDivisionError("on purpose")

        with pytest.raises(ZeroDivisionError):
            fail()
        assert value(store, "p.m.x.a") == 1.0
        assert value(store, "p.m@2.x.a") == 2.0
        listed = store.intermediates("p", "m").set_index("version")["state"]
        assert listed[2] == "failed"
        assert listed[1] == "success"
