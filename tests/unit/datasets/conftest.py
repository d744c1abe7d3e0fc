"""A store with a table of every kind of number, and with maps; and what the data sets should give of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique

ROWS, BLOCK = 2_300, 500
_RNG = np.random.default_rng(7)
TABLE = pd.DataFrame(
    {
        "price": _RNG.standard_normal(ROWS),
        "step": np.arange(ROWS) * 2,
        "small": _RNG.integers(0, 100, ROWS).astype(">i2"),
        "rooms": pd.array(_RNG.integers(0, 9, ROWS), "Int32"),
        "part": pd.array(_RNG.standard_normal(ROWS).astype("f4"), "Float32"),
        "new": _RNG.random(ROWS) < 0.5,
        "kind": pd.Categorical(_RNG.choice(["x", "y", "z"], ROWS)),
        "city": pd.Series(_RNG.choice(["Roma", "Zürich"], ROWS), dtype="str"),
    },
    index=pd.Index(np.arange(ROWS)[::-1] + 10, name="row_id"),
)
TABLE.loc[TABLE.index[::7], ["price", "rooms", "part", "kind"]] = None
MAPS = _RNG.standard_normal((1_200, 3, 4, 2)).astype("f4")
NUMBERS = ["price", "step", "small", "rooms", "part", "new", "kind"]


def expected_numbers() -> dict[str, Any]:
    """Return the columns of numbers as arrays, row ids included."""
    return {
        "row_id": TABLE.index.to_numpy(),
        "price": TABLE["price"].to_numpy(),
        "step": TABLE["step"].to_numpy(),
        "small": TABLE["small"].to_numpy().astype("i2"),
        "rooms": TABLE["rooms"].astype("float64").to_numpy(na_value=np.nan),
        "part": TABLE["part"].to_numpy("f4", na_value=np.nan),
        "new": TABLE["new"].to_numpy(),
        "kind": TABLE["kind"].map({"x": 0, "y": 1, "z": 2}).astype("float").fillna(-1).to_numpy().astype("i8"),
    }


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    with Mistique.open(folder, block_rows=BLOCK) as store:
        store.log_frame("p", "m", "x", TABLE)
        store.log_array("p", "m", "conv", MAPS, block_rows=300)
    return folder
