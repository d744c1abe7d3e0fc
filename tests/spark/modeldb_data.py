"""A small table for tests of the Spark client, and a way to count the jobs of Spark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS = 400


def write_table(folder: Path) -> str:
    """Write a table with two labels, one of three classes and one that is a number; return its path."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"a": rng.normal(5, 2, ROWS), "b": rng.normal(size=ROWS), "c": rng.integers(0, 9, ROWS)})
    noise = rng.normal(size=ROWS)
    frame["kind"] = np.where(frame["c"] > 4, "high", "low")
    frame["label"] = (frame["a"] + frame["b"] + noise > 5).astype(int)
    frame["level"] = np.digitize(frame["a"] + noise / 4, [4.0, 6.0])
    frame["price"] = 3 * frame["a"] - 2 * frame["b"] + noise
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    return str(path)


def read(spark: Any, path: str) -> Any:
    return spark.read.csv(path, header=True, inferSchema=True)


def assembler(*columns: str, output: str = "features") -> Any:
    from pyspark.ml.feature import VectorAssembler

    return VectorAssembler(inputCols=list(columns or ("a", "b", "c")), outputCol=output)


def jobs_of(spark: Any, action: Callable[[], Any]) -> int:
    """Return how many jobs Spark started for an action."""
    scheduler = spark.sparkContext._jsc.sc().dagScheduler()
    before = int(scheduler.numTotalJobs())
    action()
    return int(scheduler.numTotalJobs()) - before
