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


@pytest.fixture(scope="session")
def maps() -> dict[str, np.ndarray]:
    """Return the layers ``p.net.*``, maps and plain units of 40 rows, with a NaN and a silent unit."""
    rng = np.random.default_rng(7)
    conv = np.maximum(rng.normal(size=(40, 4, 4, 6)), 0).astype(np.float32)
    conv[..., 5] = 0
    conv[3, 1, 2, 0] = np.nan
    deep = np.maximum(rng.normal(size=(40, 2, 2, 5)) + conv[:, ::2, ::2, 1:], 0).astype(np.float32)
    masks = np.kron(conv[..., 1:4] > 0.8, np.ones((1, 2, 2, 1))).astype(np.uint8)
    logits = (np.nan_to_num(conv).reshape(40, -1)[:, :30] @ rng.normal(size=(30, 3))).astype(np.float32)
    return {"conv": conv, "deep": deep, "masks": masks, "logits": logits}


@pytest.fixture(scope="session")
def map_rows() -> np.ndarray:
    """Return the row ids of `maps`, shuffled."""
    return np.random.default_rng(8).permutation(np.arange(40) * 3)


@pytest.fixture(scope="session")
def predictions() -> pd.DataFrame:
    """Return what ``p.models.y`` holds: truths, predictions of two models, probabilities, features and groups."""
    rng = np.random.default_rng(11)
    rows = 300
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=["a", "b", "c", "d"])
    frame["b"] = frame["b"] * 1_000 + 5
    frame.loc[rng.random(rows) < 0.1, "c"] = np.nan
    frame["constant"] = 0.1
    frame["price"] = 3 * frame["a"] + rng.normal(size=rows)
    frame["price_a"] = frame["price"] + rng.normal(size=rows)
    frame["price_b"] = frame["price"] + frame["d"]
    score = 1 / (1 + np.exp(-frame["a"] * 2 + rng.normal(size=rows) / 2))
    frame["truth"] = (rng.random(rows) < score).astype(np.int64)
    frame["p1"], frame["p0"] = score, 1 - score
    frame["guess_a"] = (score > 0.5).astype(np.int64)
    frame["guess_b"] = rng.integers(0, 2, rows)
    frame["kind"] = rng.choice(["house", "flat", "boat"], rows)
    frame["kind_guess"] = np.where(rng.random(rows) < 0.7, frame["kind"], "boat")
    frame.loc[rng.random(rows) < 0.05, "kind_guess"] = None
    frame["town"] = pd.Series(rng.choice(["Ghent", "Namur"], rows)).where(rng.random(rows) > 0.1)
    frame["flag"] = rng.random(rows) < 0.5
    return frame.set_index(pd.Index(rng.permutation(rows) * 2, name="row_id"))


@pytest.fixture(scope="session")
def models(
    tmp_path_factory: pytest.TempPathFactory,
    maps: dict[str, np.ndarray],
    map_rows: np.ndarray,
    predictions: pd.DataFrame,
) -> Iterator[Mistique]:
    """Return a store that holds `maps` and `predictions`, and parts of the latter under row ids that overlap."""
    with Mistique.open(tmp_path_factory.mktemp("models"), block_rows=64) as opened:
        for name, values in maps.items():
            names = ["cat", "dog", "car"] if name == "masks" else None
            opened.log_array("p", "net", name, values, row_id=map_rows, names=names)
        opened.log_frame("p", "models", "y", predictions)
        opened.log_frame("p", "half", "y", predictions.iloc[:150].sort_index())
        yield opened
