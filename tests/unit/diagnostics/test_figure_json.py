"""Figures as documents: bounded, without WebGL, and with what they leave out said."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mistique_core.diagnostics import figure_document


def drawn(figure: go.Figure, **options: Any) -> tuple[dict[str, Any], str]:
    document = figure_document(figure, **options)
    assert document.json is not None
    return json.loads(document.json), document.note


def test_a_small_figure_is_kept_whole_with_missing_values_as_null() -> None:
    figure = go.Figure(go.Scattergl(x=np.arange(3.0), y=[1, np.nan, np.inf], customdata=[["a"], ["b"], ["c"]]))
    figure.update_layout(title="It is.")
    document, note = drawn(figure)
    (trace,) = document["data"]
    assert trace["type"] == "scatter"
    assert (trace["x"], trace["y"][:2], trace["customdata"]) == ([0, 1, 2], [1, None], [["a"], ["b"], ["c"]])
    assert document["layout"]["title"]["text"] == "It is."
    assert note == document["note"] == ""


def test_of_many_points_the_extremes_stay_and_all_arrays_stay_aligned() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=20_000), rng.normal(size=20_000)
    figure = go.Figure(
        go.Scattergl(x=x, y=y, text=[f"{value:.17g}" for value in x], marker={"color": y.tolist(), "size": 4})
    )
    document, note = drawn(figure, most_points=500)
    (trace,) = document["data"]
    assert len(trace["x"]) <= 500
    assert {x.min(), x.max()} <= set(trace["x"])
    assert {y.min(), y.max()} <= set(trace["y"])
    assert [float(text) for text in trace["text"]] == trace["x"]
    assert trace["marker"]["color"] == trace["y"]
    assert set(zip(trace["x"], trace["y"], strict=True)) <= set(zip(x, y, strict=True))
    assert note == f"The figure shows {len(trace['x']):,} of 20,000 values; the table's downloads have more."


def test_a_large_heatmap_becomes_coarser_with_its_labels() -> None:
    z = np.arange(250_000.0).reshape(500, 500)
    names = [f"c{place}" for place in range(500)]
    document, note = drawn(go.Figure(go.Heatmap(z=z, x=names, y=names)), most_points=100)
    (trace,) = document["data"]
    rows, columns = len(trace["z"]), len(trace["z"][0])
    assert rows * columns <= 1_000
    assert (len(trace["x"]), len(trace["y"])) == (columns, rows)
    assert trace["z"][1][2] == z[int(trace["y"][1][1:]), int(trace["x"][2][1:])]
    assert "of 250,000 values" in note


def test_a_figure_never_takes_more_bytes_than_allowed() -> None:
    figure = go.Figure(go.Scatter(x=list(range(4_000)), y=list(range(4_000)), text=["x" * 500] * 4_000))
    document = figure_document(figure, most_bytes=400_000)
    assert document.json is not None
    assert len(document.json.encode()) <= 400_000
    nothing = figure_document(figure, most_bytes=1_000)
    assert nothing.json is None
    assert "more than 1,000 bytes" in nothing.note
