"""What a diagnostic technique returns: data, a sentence, and how the data was obtained."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mistique_core.planner import QueryPlan

MOST_ROWS = 1_000


@dataclass(frozen=True)
class DiagnosticResult:
    """The answer of one technique.

    Attributes
    ----------
    technique
        Its name in the registry.
    frame
        The data; where its rows are examples, the index is ``row_id``.
    sentence
        The answer in one sentence.
    plan
        How the data was obtained.
    facts
        Further numbers, as JSON values.
    """

    technique: str
    frame: pd.DataFrame
    sentence: str
    plan: QueryPlan
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self, most_rows: int = MOST_ROWS) -> dict[str, Any]:
        """Return the answer as JSON values: sentence, columns and the first `most_rows` rows."""
        table = self.frame.reset_index()
        shown = table.head(most_rows)
        return {
            "sentence": self.sentence,
            "columns": [str(name) for name in table.columns],
            "rows": [[as_json(value) for value in row] for row in shown.itertuples(index=False, name=None)],
            "row_count": len(table),
            "truncated": len(shown) < len(table),
            "facts": self.facts,
        }

    def to_markdown(self, most_rows: int = 20) -> str:
        """Return the answer as Markdown: the sentence, a table of at most `most_rows` rows, the plan."""
        answer = self.to_json(most_rows)
        lines = [f"**{self.technique}**: {self.sentence}", ""]
        lines.append("| " + " | ".join(map(_cell, answer["columns"])) + " |")
        lines.append("|" + " --- |" * len(answer["columns"]))
        lines.extend("| " + " | ".join(map(_cell, row)) + " |" for row in answer["rows"])
        if answer["truncated"]:
            lines.extend(["", f"{most_rows} of {answer['row_count']} rows are shown."])
        return "\n".join([*lines, "", "```", self.plan.explain(), "```"])


def as_json(value: Any) -> Any:
    """Return a cell as a JSON value; NaN, NaT and NA become ``None``, infinities their text."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if math.isnan(number):
            return None
        return number if math.isfinite(number) else str(number)
    return str(value)


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\r", " ").replace("\n", " ")
