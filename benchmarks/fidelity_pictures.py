"""Pictures of fidelity: bytes against what is kept, and the heatmaps of average activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STYLES = {
    "default": ("tab:red", "o", "-"),
    "BOUNDED, one step": ("tab:pink", "o", ":"),
    "KBIT": ("tab:orange", "v", ":"),
    "POOL": ("tab:brown", "X", ""),
    "LP float16": ("black", "P", ""),
    "THRESHOLD": ("tab:gray", "*", ""),
    "gzip": ("black", "s", ""),
    "SZ3": ("tab:blue", "s", "--"),
    "ZFP": ("tab:green", "^", "--"),
    "blosc2": ("tab:purple", "D", "--"),
}
_LEAST_KNN, _LEAST_CCA = 5e-4, 2e-5
_SHADES = 255
_CROWDED_RIGHT = 300


@dataclass(frozen=True)
class Point:
    """One way to store the layers.

    Attributes
    ----------
    label, family
        Its name, and the curve that it is on.
    ratio
        Bytes of float32 over stored bytes.
    kept
        Share of the nearest neighbours kept.
    cca_off
        Largest difference of SVCCA from full precision.
    """

    label: str
    family: str
    ratio: float
    kept: float
    cca_off: float


def shades(averages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is drawn of ``(units, classes)``: its range as 256 shades, 0.0 to 255.0."""
    low, high = float(averages.min()), float(averages.max())
    return (averages - low) * (_SHADES / (high - low if high > low else 1))


def draw_points(points: Sequence[Point], path: Path, subtitle: str) -> None:
    """Draw what is lost against bytes: neighbours left, SVCCA right; higher and further right is better."""
    pyplot = _pyplot()
    figure, pair = pyplot.subplots(1, 2, figsize=(13, 5.6))
    for axes, least, name, lost, goal in (
        (pair[0], _LEAST_KNN, "neighbours kept (k = 50), mean of layers 11, 16, 19", lambda p: 1 - p.kept, None),
        (pair[1], _LEAST_CCA, "SVCCA off by, worst of layers 6, 11, 16, 19", lambda p: p.cca_off, 0.002),
    ):
        _draw_families(axes, points, least, lost)
        if goal is not None:
            axes.axhline(goal, color="gray", linewidth=0.9, linestyle="--")
            axes.annotate("0.002", (1.75, goal), xytext=(0, 3), textcoords="offset points", fontsize=8, color="gray")
        axes.set(xscale="log", yscale="log", xlim=(1.7, 1_000), xlabel="float32 bytes / stored bytes, all 21 layers")
        axes.set_ylabel(name)
        axes.invert_yaxis()
        axes.set_xticks([2, 5, 10, 20, 50, 100, 200, 500], ["2", "5", "10", "20", "50", "100", "200", "500"])
        axes.minorticks_off()
        if goal is None:
            axes.set_yticks([0.001, 0.003, 0.01, 0.03, 0.1, 0.3], ["99.9 %", "99.7 %", "99 %", "97 %", "90 %", "70 %"])
        else:
            axes.set_yticks([1e-4, 1e-3, 1e-2, 1e-1], ["0.0001", "0.001", "0.01", "0.1"])
        axes.grid(alpha=0.25)
    pair[0].set_title("up and to the right is better; at the top nothing is lost (logarithmic axes)", fontsize=9)
    pair[1].set_title(subtitle, fontsize=9)
    _save(figure, path)


def _draw_families(axes: Any, points: Sequence[Point], least: float, lost: Any) -> None:
    for family in dict.fromkeys(point.family for point in points):
        some = sorted((point for point in points if point.family == family), key=lambda point: point.ratio)
        colour, marker, line = _STYLES[family]
        heights = [max(lost(point), least) for point in some]
        axes.plot([point.ratio for point in some], heights, color=colour, marker=marker, linestyle=line or "none",
                  markersize=7, linewidth=1.2)  # fmt: skip
        for point, height in zip(some, heights, strict=True):
            chosen = point.label == "default"
            if chosen:
                axes.plot([point.ratio], [height], marker="o", markersize=14, markerfacecolor="none", color=colour)
            axes.annotate(
                "DEFAULT" if chosen else point.label, (point.ratio, height), xytext=_label_place(point),
                textcoords="offset points", ha="right" if point.ratio > _CROWDED_RIGHT else "left",
                fontsize=11 if chosen else 7.5, color=colour, fontweight="bold" if chosen else "normal",
            )  # fmt: skip


def _label_place(point: Point) -> tuple[int, int]:
    """Return where a label stands, in points from its mark: beside it, or above it where others are near."""
    if point.label == "default":
        return 11, 6
    if point.ratio > _CROWDED_RIGHT:
        return -6, 6
    return (-8, 9) if point.family == "gzip" else (7, -3)


def draw_heatmaps(heatmaps: Mapping[str, NDArray[np.float64]], path: Path) -> None:
    """Draw ``(units, classes)`` of each scheme, and beside it how many of 256 shades it is off.

    Units are in the order of the class that excites them most in the first heatmap, which is full precision.
    """
    pyplot = _pyplot()
    exact = next(iter(heatmaps.values()))
    order = np.lexsort((-exact.max(axis=1), exact.argmax(axis=1)))
    figure, grid = pyplot.subplots(
        len(heatmaps), 2, figsize=(13, 1.15 * len(heatmaps) + 0.8), gridspec_kw={"width_ratios": [1, 1]}, squeeze=False
    )
    for (left, right), (label, averages) in zip(grid, heatmaps.items(), strict=True):
        # A square root spreads the many small averages; it is the same for all pictures.
        drawn = left.imshow(np.sqrt(shades(averages)[order].T / _SHADES), aspect="auto", cmap="magma", vmin=0, vmax=1)
        off = np.abs(shades(averages) - shades(exact))
        seen = right.imshow(off[order].T, aspect="auto", cmap="Reds", vmin=0, vmax=32)
        left.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
        if averages is not exact:
            text = f"off by {off.mean():.2f} of 256 shades on average, {float(off.max()):.1f} at most"
            right.set_title(text, fontsize=9, pad=3)
        for axes in (left, right):
            axes.set_xticks([])
            axes.set_yticks([])
    grid[0, 0].set_title("average activation of the 256 neurons of layer 9 (across) for 10 classes (down)", fontsize=10)
    grid[0, 1].set_title("difference from full precision", fontsize=10)
    figure.tight_layout(rect=(0, 0, 0.94, 1))
    for drawing, bottom, label in ((drawn, 0.55, "shade"), (seen, 0.08, "shades off")):
        bar = figure.colorbar(drawing, cax=figure.add_axes((0.95, bottom, 0.012, 0.36)))
        bar.set_label(label, fontsize=9)
    _save(figure, path, tight=False)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path, tight: bool = True) -> None:
    if tight:
        figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    _pyplot().close(figure)
