"""The plot of stored bytes against neighbours kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_STYLES = {
    "BOUNDED": ("tab:red", "o", "-"),
    "BOUNDED, one step for all": ("tab:red", "o", ":"),
    "SZ3": ("tab:blue", "s", "-"),
    "ZFP": ("tab:green", "^", "-"),
    "blosc2": ("tab:purple", "D", "-"),
    "KBIT": ("tab:orange", "v", "-"),
    "LP float16": ("black", "P", ""),
    "POOL, float16": ("tab:brown", "X", ""),
    "THRESHOLD": ("tab:gray", "*", ""),
}
_LEAST_LOST = 0.0008
_LOST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class Point:
    """One codec at one setting.

    Attributes
    ----------
    family, setting
        Its curve and its label.
    ratio
        Bytes of float32 over stored bytes.
    kept
        Share of the nearest neighbours kept, 0 to 1.
    """

    family: str
    setting: str
    ratio: float
    kept: float


def plot(points: Sequence[Point], path: Path, subtitle: str) -> None:
    """Draw the points, a line a family, and write the picture (its format follows from the name).

    Both axes are logarithmic: that of the neighbours in the share that is lost, no less than 0.0008.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator, ScalarFormatter

    figure, axes = pyplot.subplots(figsize=(9.6, 6), dpi=120)
    for family in dict.fromkeys(point.family for point in points):
        some = sorted((point for point in points if point.family == family), key=lambda point: point.ratio)
        colour, marker, line = _STYLES[family]
        lost = [max(1 - point.kept, _LEAST_LOST) for point in some]
        axes.plot(
            [point.ratio for point in some], lost,
            color=colour, marker=marker, linestyle=line or "none", markersize=6, label=family,
        )  # fmt: skip
        for point, height in zip(some, lost, strict=True):
            axes.annotate(
                point.setting, (point.ratio, height), xytext=(5, 4), textcoords="offset points", fontsize=7.5,
                color=colour,
            )  # fmt: skip
    axes.axhline(0.03, color="gray", linewidth=0.9, linestyle="--")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(FixedLocator([2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 60, 100, 200, 400, 800]))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_locator(FixedLocator(_LOST))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{1 - lost:g}" for lost in _LOST]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("float32 bytes / stored bytes, all 21 layers (log scale; smaller files to the right)")
    axes.set_ylabel("neighbours kept (k = 50), mean of layers 11, 16, 19")
    axes.set_title(f"Activations of a trained VGG16: {subtitle}", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)
