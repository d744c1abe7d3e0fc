"""One store for the tests of the techniques: frames with every kind of column, and models with other rows."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique

ROWS = 60


def everything(seed: int) -> pd.DataFrame:
    """Return a frame of every kind of column, with ties, missing values and shuffled, sparse row ids."""
    rng = np.random.default_rng(seed)
    number = rng.integers(-3, 4, ROWS).astype("float64")
    number[rng.random(ROWS) < 0.2] = np.nan
    number[:4] = [np.inf, -np.inf, 0.0, -0.0]
    words = rng.choice(["red", "green", "blue"], ROWS)
    missing = rng.random(ROWS) < 0.2
    days = pd.Series(pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 9, ROWS), unit="D"))
    return pd.DataFrame(
        {
            "number": number,
            "float32": number.astype("float32"),
            "whole": rng.integers(0, 5, ROWS),
            "small": rng.integers(0, 5, ROWS).astype("uint8"),
            "nullable": pd.array(np.where(missing, None, rng.integers(0, 5, ROWS)), dtype="Int64"),
            "flag": rng.random(ROWS) < 0.5,
            "maybe": pd.array(np.where(missing, None, rng.random(ROWS) < 0.5), dtype="boolean"),
            "word": pd.Series(words).where(~missing),
            "kind": pd.Categorical(words, categories=["red", "green", "blue", "unused"]),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], ROWS), categories=["s", "m", "l"], ordered=True),
            "day": days.where(~missing).to_numpy(),
            "gone": np.full(ROWS, np.nan),
        }
    ).set_index(pd.Index(rng.permutation(ROWS) * 7 - 50, name="row_id"))


@pytest.fixture(scope="session")
def frames() -> dict[str, pd.DataFrame]:
    """Return what the store holds under ``p.<model>.x``."""
    first, second = everything(1), everything(2)
    other = second[second.index >= 100]
    extra = other.set_axis(other.index + 1_000_000, axis=0)
    return {
        "first": first,
        "second": second,
        "other": pd.concat([other, extra]).rename_axis("row_id"),
        "far": extra.rename_axis("row_id"),
        "single": first.iloc[:1],
        "none": first.iloc[:0],
    }


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, frames: dict[str, pd.DataFrame]) -> Iterator[Mistique]:
    """Return a store that holds `frames`; row blocks are short, so that most columns have several."""
    with Mistique.open(tmp_path_factory.mktemp("store"), block_rows=16) as opened:
        for model, frame in frames.items():
            opened.log_frame("p", model, "x", frame)
        yield opened
