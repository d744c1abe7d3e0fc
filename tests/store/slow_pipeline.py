"""A pipeline whose stages take their time, so that reading pays, and a worker that asks for its columns."""

from __future__ import annotations

import random
import sys
import time

import numpy as np
import pandas as pd

from mistique_core import Mistique
from mistique_core.store import Run
from mistique_core.workflows import FunctionStage

ROWS = 2_000
STAGES = 4
COLUMNS = 3
SLEEP_SECONDS = 0.02


def source() -> pd.DataFrame:
    values = np.random.default_rng(5).standard_normal((ROWS, 2))
    return pd.DataFrame(values, columns=["a", "b"])


def waves(data: pd.DataFrame, number: int) -> pd.DataFrame:
    """Columns of their own, which do not compress."""
    time.sleep(SLEEP_SECONDS)
    made = {f"w{column}": np.sin(data["a"] * (100 + 10 * number + column)) for column in range(COLUMNS)}
    return pd.DataFrame(made, index=data.index)


def log_pipeline(run: Run) -> None:
    """Log the source, and stages that each begin with it."""
    given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
    for number in range(STAGES):
        run.stage(f"waves{number}", *FunctionStage.bind(waves, [given], {"number": number}))


def random_key(chance: random.Random) -> list[str]:
    """Return some columns of one of the intermediates, the first ones most often."""
    stage = min(chance.randrange(STAGES), chance.randrange(STAGES))
    columns = chance.sample(range(COLUMNS), chance.randint(1, COLUMNS))
    return [f"p.m.waves{stage}.w{column}" for column in columns]


def ask(location: str, catalogue_url: str, seed: int, queries: int) -> None:
    """Ask at random, and check every answer."""
    chance = random.Random(seed)
    data = source()
    with Mistique.open(location, catalogue_url) as store:
        for _ in range(queries):
            keys = random_key(chance)
            found = store.get_intermediates(keys).to_pandas()
            number = int(keys[0].split(".")[2].removeprefix("waves"))
            for name in found:
                expected = np.sin(data["a"] * (100 + 10 * number + int(name.removeprefix("w"))))
                np.testing.assert_array_equal(found[name].to_numpy(), expected.to_numpy())


if __name__ == "__main__":
    ask(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
