"""The stages of a small pipeline over the table of homes, as functions that a stage can call."""

from __future__ import annotations

import pandas as pd

from benchmarks.property_table import CHANGED, property_table


def homes(rows: int, seed: int) -> pd.DataFrame:
    """Return the table of homes."""
    return property_table(rows, seed)


def filled(data: pd.DataFrame) -> pd.DataFrame:
    """Fill what is missing in one column."""
    return data.assign(measure_12=data["measure_12"].fillna(data["measure_12"].median()))


def scaled(data: pd.DataFrame) -> pd.DataFrame:
    """Scale one column."""
    return data.assign(**{CHANGED: data[CHANGED] / data[CHANGED].max()})


def joined(data: pd.DataFrame) -> pd.DataFrame:
    """Add a column computed from two others."""
    return data.assign(ratio=data[CHANGED] / data["measure_0"].clip(lower=1.0))


def recent(data: pd.DataFrame) -> pd.DataFrame:
    """Keep about half of the rows."""
    return data[data["date_0"] >= pd.Timestamp("2016-07-01")]
