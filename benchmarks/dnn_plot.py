"""The picture of ``dnn_storage``: bars for one and ten checkpoints by scheme."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pictures import picture

LABELS = {
    "peer gzip'd HDF5": "STORE_ALL:\ngzip'd HDF5",
    "peer Zarr v3 blosc": "Zarr v3\nblosc",
    "peer ZFP": "ZFP",
    "peer SZ3": "SZ3",
    "lossless": "lossless",
    "float16": "float16",
    "kbit8": "kbit(8)",
    "pool2": "pool(2)\n+float16",
    "bounded025": "bounded\n(0.25)",
    "default": "default",
    "poolS": "pool(S)",
    "poolS_float16": "pool(S)\n+float16",
    "poolS_bounded": "pool(S)+\nbounded\n(0.25)",
    "poolS_bounded01": "pool(S)+\nbounded\n(0.1)",
}
BARS = (
    ("one_mb", "one checkpoint", "#4c72b0"),
    ("ten_without_dedup_mb", "ten, nothing deduplicated", "#c9c9c9"),
    ("ten_mb", "ten, deduplicated", "#dd8452"),
)


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the rows of the report, a panel a network, log scale."""
    panels: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        network, _, name = row["what"].partition(": ")
        if name in LABELS:
            panels.setdefault(network, {})[name] = row
    with picture(path, 11, 4.2 * len(panels), panels=len(panels)) as drawn:
        for axes, (network, found) in zip(drawn, panels.items(), strict=True):
            names = [name for name in LABELS if name in found]
            for position, (key, label, colour) in enumerate(BARS):
                places = [place + (position - 1) * 0.28 for place, name in enumerate(names) if key in found[name]]
                heights = [found[name][key] for name in names if key in found[name]]
                bars = axes.bar(places, heights, 0.27, label=label, color=colour)
                axes.bar_label(bars, labels=[_text(height) for height in heights], fontsize=6.5, rotation=90, padding=2)
            axes.set_xticks(range(len(names)), [LABELS[name] for name in names], fontsize=8)
            lowest, highest = axes.get_ylim()
            axes.set(yscale="log", ylabel="MB of all layers", title=network)
            axes.set_ylim(max(lowest, 0.5 * min(found[name]["one_mb"] for name in names)), 3 * highest)
            axes.grid(visible=True, axis="y", which="major", alpha=0.3)
            axes.legend(fontsize=8, loc="upper right")


def _text(megabytes: float) -> str:
    return f"{megabytes:,.0f}" if megabytes >= 10 else f"{megabytes:.2g}"
