"""What a diagnostic technique returns: data, a figure, a sentence, and how the data was obtained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.drawing import drawn
from mistique_core.diagnostics.images import MOST_IMAGES, Images, Read
from mistique_core.frames import ROW_ID
from mistique_core.planner import QueryPlan

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
    arrays
        What no table can hold, such as maps, by name; see the technique. Where the frame's rows are no examples,
        ``row_id`` is those that the answer was computed from.
    max_abs_error
        Bound of the absolute error of any value that it was computed from: 0.0 where these are stored without loss or
        re-run, infinite where it is not known. Where it is not 0, the facts of :meth:`to_json` have it.
    image_reader
        Reads the images that rows are, by their ids; ``None`` where the rows are no examples.
    """

    technique: str
    frame: pd.DataFrame
    sentence: str
    plan: QueryPlan
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    max_abs_error: float = 0.0
    image_reader: Read | None = None

    def images(self, row_ids: npt.NDArray[np.int64] | None = None) -> Images | None:
        """Return the images that the rows of the answer are; the store must still be open.

        Parameters
        ----------
        row_ids
            int64 (rows,); default the first 24 of the answer.

        Returns
        -------
        ndarray or None
            uint8, (rows, height, width, 1 or 3): the images of the model version, such as the input of its network.
            ``None`` where it has none, or not of all these rows.
        """
        if self.image_reader is None:
            return None
        return self.image_reader(self.row_id[:MOST_IMAGES] if row_ids is None else row_ids)

    @property
    def row_id(self) -> npt.NDArray[np.int64]:
        """Row ids, int64: of the frame's rows if they are examples, else of all that the answer was computed from."""
        ids = self.frame.index if self.frame.index.name == ROW_ID else self.arrays[ROW_ID]
        return np.asarray(ids, dtype=np.int64)

    def figure(self) -> Figure:
        """Return the answer as a Plotly figure.

        Raises
        ------
        InvalidInputError
            If Plotly is not installed.
        """
        return drawn("mistique_core.diagnostics.figures", self.technique, self)

    def save(self, path: str | Path) -> Path:
        """Save the answer in the format that the suffix of `path` names, and return the path.

        ``.html`` and ``.png`` hold sentence and figure (HTML the table and the plan too, and needs no network),
        ``.csv`` and ``.parquet`` all rows of the frame, ``.json`` what :meth:`to_json` returns with all rows.

        Raises
        ------
        InvalidInputError
            If the suffix is another one, or what its format needs is not installed.
        StorageError
            If the file cannot be written.
        """
        from mistique_core.diagnostics.saving import save

        return save(self, Path(path))

    def to_json(self, most_rows: int | None = MOST_ROWS) -> dict[str, Any]:
        """Return the answer as JSON values: sentence, columns and the first `most_rows` rows (``None``: all)."""
        table = self.frame.reset_index()
        shown = table if most_rows is None else table.head(most_rows)
        return {
            "sentence": self.sentence,
            "columns": [str(name) for name in table.columns],
            "rows": [[as_json(value) for value in row] for row in shown.itertuples(index=False, name=None)],
            "row_count": len(table),
            "truncated": len(shown) < len(table),
            "facts": self.facts
            if not self.max_abs_error
            else {**self.facts, "max_abs_error": as_json(self.max_abs_error)},
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
