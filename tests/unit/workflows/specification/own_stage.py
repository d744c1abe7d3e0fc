"""A stage class and functions of a user, found by module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mistique_core.model import Stage, StageResult


class HeadStage(Stage):
    """Keep the first rows."""

    def __init__(self, rows: int) -> None:
        if rows < 1:
            raise ValueError(f"rows={rows} is too small")
        self.rows = rows

    def params(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        (frame,) = inputs.values()
        return StageResult(frames={"": frame.head(self.rows)})


def source(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"home": range(100, 100 + rows), "price": range(rows)})


def halves(frame: pd.DataFrame, plus: int = 0) -> dict[str, Any]:
    return {"low": frame[frame["price"] < 2] + plus, "high": frame[frame["price"] >= 2] + plus, "rows": len(frame)}
