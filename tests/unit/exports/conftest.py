"""A store with every type that Parquet has, maps, and stages with inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.workflows import ReadCsvStage, SplitStage

ROWS, BLOCK = 1_300, 500
_RNG = np.random.default_rng(11)
TABLE = pd.DataFrame(
    {
        "price": _RNG.standard_normal(ROWS),
        "half": _RNG.standard_normal(ROWS).astype("f2"),
        "step": np.arange(ROWS) * 2,
        "small": _RNG.integers(0, 100, ROWS).astype(">i2"),
        "byte": _RNG.integers(0, 255, ROWS).astype("u1"),
        "rooms": pd.array(_RNG.integers(0, 9, ROWS), "Int32"),
        "new": _RNG.random(ROWS) < 0.5,
        "maybe": pd.array(_RNG.random(ROWS) < 0.5, "boolean"),
        "kind": pd.Categorical(_RNG.choice(["x", "y", "z"], ROWS)),
        "city: old/new [a]": pd.Series(_RNG.choice(["Roma", "Zürich"], ROWS), dtype="str"),
        "when": pd.Timestamp("2020-02-29T01:02:03.5") + pd.to_timedelta(np.arange(ROWS), unit="h"),
        "there": (pd.Timestamp("2020-02-29T01:02:03.5") + pd.to_timedelta(np.arange(ROWS), unit="h")).tz_localize(
            "Europe/Rome", ambiguous=False, nonexistent="shift_forward"
        ),
        "took": pd.to_timedelta(np.arange(ROWS), unit="s"),
        "wave": _RNG.standard_normal(ROWS) + 1j,
    },
    index=pd.Index(np.arange(ROWS)[::-1] + 10, name="row_id"),
)
TABLE.loc[TABLE.index[::7], ["price", "rooms", "maybe", "kind", "when"]] = None
MAPS = _RNG.standard_normal((700, 3, 4, 2)).astype("f4")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    csv = folder / "houses.csv"
    pd.DataFrame({"rooms": range(40), "price": np.arange(40) / 3}).to_csv(csv, index=False)
    with Mistique.open(folder / "store", block_rows=BLOCK) as store:
        store.log_frame("p", "m", "x", TABLE)
        store.log_array("p", "m", "conv", MAPS, block_rows=300)
        store.log_array("p", "m", "coarse", MAPS[:, 0, 0], scheme="kbit(4)")
        with store.run("homes", "linear") as run:
            source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
            run.stage("parts", SplitStage(0.5, 0, None), {"data": source})
    return folder / "store"
