"""What the browser draws of a prediction matrix: a few hundred bins of bytes, and what they mean.

The browser paints the bytes itself (``assets/predictions.js``): as a heatmap of Plotly, which lays out its whole figure
anew, a change of the viewport took ten times as long.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from mistique_core.predictions import Matrix, Viewport
from mistique_core.predictions.levels import STEPS
from mistique_ui.interactive.theme import DIVERGING


def matrix_view(matrix: Matrix, seen: Viewport, first: int, stop: int, models: Sequence[int]) -> dict[str, Any]:
    """Return what is seen of a matrix, for ``draw`` of ``assets/predictions.js``.

    Parameters
    ----------
    matrix
        The cells; their names and classes.
    seen
        Bins of rows, which cover at least those shown.
    first, stop
        The rows that are shown, by position in the order.
    models
        The columns, in their order.
    """
    return {
        "names": [matrix.names[at] for at in models],
        "rows": matrix.rows,
        "first": first,
        "stop": stop,
        "start": seen.start,
        "step": seen.step,
        "bins": len(seen.rows),
        "cells": _text(seen.correctness[:, list(models)]),
        "truth": _text(seen.truth),
        "palette": [colour for _, colour in DIVERGING],
        "truthSays": _truth_says(matrix),
        "cellSays": "1 - |error|" if matrix.problem.kind == "regression" else "probability of the truth",
        "drawn": f"{first}-{stop}",
    }


def _text(cells: Any) -> str:
    """Return uint8 cells, 0 to 200, row by row."""
    assert cells.max(initial=0) <= STEPS
    return base64.b64encode(np.ascontiguousarray(cells).tobytes()).decode("ascii")


def _truth_says(matrix: Matrix) -> str:
    problem = matrix.problem
    if problem.kind == "regression":
        return "rank among all truths, 0 to 1"
    if problem.positive is not None:
        return f"share of {problem.classes[problem.positive]}"
    return f"mean place from {problem.classes[0]} (0) to {problem.classes[-1]} (1)"
