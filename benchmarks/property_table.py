"""A generated table of homes: 58 columns of mixed types, cardinalities and missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = 58
CHANGED = "tax_amount"


def property_table(rows: int, seed: int = 7) -> pd.DataFrame:
    """Return `rows` homes, index ``row_id``.

    14 measured floats, 14 sparse counts, 10 small integers, 6 text columns of 60 to 50,000
    different values, 4 categoricals, 4 nullable integers, 3 flags, 2 dates and 1 identifier.

    Parameters
    ----------
    rows
        Number of rows.
    seed
        Seed of the generator; the same seed gives the same table.
    """
    random = np.random.default_rng(seed)
    data: dict[str, object] = {"parcel": random.permutation(rows).astype("i8") + 10_711_725}
    for number in range(13):
        values = random.lognormal(6 + number / 3, 0.6, rows).round(2)
        data[f"measure_{number}"] = _with_gaps(random, values, number / 26)
    data[CHANGED] = random.lognormal(8, 0.7, rows).round(2)
    for number in range(14):
        data[f"count_{number}"] = _with_gaps(random, random.poisson(2 + number, rows).astype("f8"), number / 15)
    for number in range(10):
        data[f"code_{number}"] = random.integers(0, 4 << number, rows).astype(("i2", "i4", "i8")[number % 3])
    for number, distinct in enumerate((60, 200, 1_000, 5_000, 20_000, 50_000)):
        data[f"text_{number}"] = _text(random, rows, distinct, number)
    for number in range(4):
        labels = [f"zone {label}" for label in range(5 * (number + 1))]
        data[f"zone_{number}"] = pd.Categorical.from_codes(random.integers(-1, len(labels), rows), labels)
    for number in range(4):
        mask = random.random(rows) < 0.3
        data[f"year_{number}"] = pd.arrays.IntegerArray(random.integers(1900, 2017, rows), mask)
    for number in range(3):
        data[f"flag_{number}"] = random.random(rows) < 0.1
    for number in range(2):
        data[f"date_{number}"] = np.datetime64("2016-01-01", "s") + random.integers(0, 365 * 86_400, rows)
    frame = pd.DataFrame(data, index=pd.Index(np.arange(rows, dtype="i8"), name="row_id"))
    assert frame.shape == (rows, COLUMNS)
    return frame


def change_one_column(frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """Return the table as a stage leaves it that scales :data:`CHANGED` and nothing else."""
    return frame.assign(**{CHANGED: (frame[CHANGED] * (1 + step / 100)).round(2)})


def _with_gaps(random: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    values[random.random(len(values)) < share] = np.nan
    return values


def _text(random: np.random.Generator, rows: int, distinct: int, number: int) -> pd.Series:
    words = np.array([f"street {value} north" if number % 2 else f"LA{value:05d}" for value in range(distinct)], object)
    values = words[random.integers(0, distinct, rows)]
    values[random.random(rows) < 0.05 * number] = None
    return pd.Series(values, dtype=object if number < 2 else "str", index=pd.Index(np.arange(rows), name="row_id"))
