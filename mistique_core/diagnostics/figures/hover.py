"""What hovering over an example shows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mistique_core.diagnostics.figures.style import shorten
from mistique_core.diagnostics.wording import number

_MOST_COLUMNS = 12


def row_texts(frame: pd.DataFrame) -> list[str]:
    """Return one text a row: its row id and its first columns."""
    texts = np.array([f"row_id {row}" for row in frame.index], dtype=object)
    for name in frame.columns[:_MOST_COLUMNS]:
        texts = texts + np.array([f"<br>{shorten(name)} = {shorten(number(value))}" for value in frame[name]], object)
    return [str(text) for text in texts]
