"""Every technique has a figure that Plotly accepts, whatever the answer holds; titles and texts are shown literally."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique, diagnostics
from mistique_core.diagnostics import TECHNIQUES, DiagnosticResult

go = pytest.importorskip("plotly.graph_objects", reason="needs the extra 'ui'")

Y, X = "p.models.y", "p.first.x"
MANY: dict[str, list[dict[str, Any]]] = {
    "pointq": [
        {"keys": Y, "row_id": [0, 2]},
        {"keys": [f"{Y}.a", f"{Y}.c", f"{Y}.d"], "row_id": [0, 2]},
        {"keys": "p.net.conv", "row_id": [0, 3, 6]},
        {"keys": "p.net.logits", "row_id": 3},
    ],
    "topk": [{"key": f"{Y}.c", "columns": [f"{Y}.kind"]}, {"key": "p.net.conv.0", "k": 30}],
    "col_dist": [{"key": f"{Y}.c"}, {"key": f"{Y}.c", "group": f"{Y}.town"}, {"key": f"{Y}.kind"}],
    "col_diff": [
        {"key_a": f"{Y}.guess_a", "key_b": f"{Y}.guess_b"},
        {"key_a": f"{Y}.price_a", "key_b": f"{Y}.price_b", "tolerance": 1.0},
        {"key_a": f"{Y}.kind", "key_b": f"{Y}.kind_guess", "group": f"{Y}.town"},
    ],
    "confusion_matrix": [
        {"truth": f"{Y}.kind", "prediction": f"{Y}.kind_guess"},
        {"truth": f"{Y}.kind", "prediction": f"{Y}.kind_guess", "normalize": "all"},
    ],
    "mispredicted": [{"truth": f"{Y}.truth", "prediction_a": f"{Y}.guess_a", "prediction_b": f"{Y}.guess_b"}],
    "group_metrics": [
        {"truth": f"{Y}.truth", "predictions": [f"{Y}.guess_a", f"{Y}.guess_b"], "group": f"{Y}.town"},
        {"truth": f"{Y}.price", "predictions": f"{Y}.price_a"},
    ],
    "knn": [{"keys": Y, "row_id": 0, "columns": f"{Y}.town"}, {"keys": "p.net.conv", "row_id": 0, "metric": "cosine"}],
    "row_diff": [
        {"keys": Y, "row_a": 0, "row_b": 2},
        {"keys": Y, "row_a": 0, "row_b": 2, "standardize": False},
        {"keys": "p.net.conv", "row_a": 0, "row_b": 3},
    ],
    "row_average_compare": [{"keys": Y, "row_id": 0, "group": f"{Y}.kind"}],
    "svcca": [{"keys_a": "p.net.conv", "keys_b": "p.net.logits"}, {"keys_a": f"{Y}.constant", "keys_b": f"{Y}.a"}],
    "vis": [{"keys": Y, "group": f"{Y}.kind"}, {"keys": "p.net.logits"}, {"keys": "p.net.conv", "maps": "cells"}],
    "netdissect": [{"keys": "p.net.conv", "masks": "p.net.masks"}],
    "feature_correlation": [{"keys": Y, "target": f"{Y}.price"}],
}
"""Questions over ordinary data."""


def odd(model: str, row: int, other: int) -> dict[str, list[dict[str, Any]]]:
    """Questions over a frame of every kind of column: missing values, infinities, ties, one row or none."""
    key = f"p.{model}.x"
    questions: dict[str, list[dict[str, Any]]] = {
        "topk": [{"key": f"{key}.{name}"} for name in ("number", "size", "day", "flag", "gone", "nullable")],
        "col_dist": [{"key": f"{key}.{name}", "group": f"{key}.maybe"} for name in ("number", "day", "word", "gone")],
        "col_diff": [
            {"key_a": f"{key}.{a}", "key_b": f"p.second.x.{b}"}
            for a, b in (("number", "number"), ("word", "kind"), ("day", "day"), ("nullable", "gone"))
        ],
        "confusion_matrix": [{"truth": f"{key}.word", "prediction": "p.second.x.whole"}],
        "mispredicted": [{"truth": f"{key}.nullable", "prediction_a": f"{key}.whole", "prediction_b": f"{key}.small"}],
        "group_metrics": [
            {"truth": f"{key}.whole", "predictions": f"{key}.nullable", "group": f"{key}.size"},
            {"truth": f"{key}.number", "predictions": f"{key}.whole", "task": "regression"},
        ],
        "vis": [{"keys": key, "group": f"{key}.maybe"}],
        "feature_correlation": [{"keys": key, "target": f"{key}.number", "method": "spearman"}],
    }
    if model != "none":
        questions["pointq"] = [{"keys": key, "row_id": [row]}]
        questions["knn"] = [{"keys": key, "row_id": row, "columns": f"{key}.kind"}]
        questions["row_average_compare"] = [{"keys": key, "row_id": row, "group": f"{key}.maybe"}]
    if other != row:
        questions["row_diff"] = [{"keys": key, "row_a": row, "row_b": other}]
    return questions


def check(result: DiagnosticResult) -> None:
    """Check what every answer promises."""
    figure = result.figure()
    assert isinstance(figure, go.Figure)
    assert figure.layout.title.text.replace("<br>", " ").startswith(result.sentence[:30].replace("<", "&lt;"))
    drawn = figure.to_json()
    assert json.loads(drawn)["data"] or "no rows" in drawn
    assert result.row_id.dtype == np.int64
    answer = result.to_json()
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert result.to_markdown().startswith(f"**{result.technique}**: ")
    assert result.sentence.endswith(".")
    assert "nan" not in result.sentence


@pytest.mark.parametrize("name", TECHNIQUES)
def test_ordinary_answers(models: Mistique, name: str) -> None:
    for question in MANY[name]:
        check(getattr(diagnostics, name)(models, **question))


@pytest.mark.parametrize("model", ["first", "single", "none"])
def test_odd_answers(store: Mistique, frames: dict[str, pd.DataFrame], model: str) -> None:
    ids = [int(row) for row in frames[model].index] or [0]
    for name, questions in odd(model, ids[0], ids[-1]).items():
        ask: Callable[..., DiagnosticResult] = getattr(diagnostics, name)
        for question in questions:
            check(ask(store, **question))


def test_names_are_no_markup(tmp_path: Any) -> None:
    name = "<b>a & b</b>"
    frame = pd.DataFrame({name: [3.0, 1.0], "t": ["<i>x</i>", "y"]})
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame)
        figures = [
            diagnostics.topk(store, f"p.m.x.{name}").figure(),
            diagnostics.col_dist(store, "p.m.x.t").figure(),
            diagnostics.vis(store, "p.m.x", "p.m.x.t").figure(),
        ]
    for figure in figures:
        assert "<b>" not in figure.to_json().replace("\\u003c", "<")
        assert "<i>" not in figure.to_json().replace("\\u003c", "<")
