"""What the benchmarks that draw a picture share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def add_plot_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--plot PATH``."""
    parser.add_argument("--plot", type=Path, metavar="PATH", help="write a picture there (PNG)")


@contextmanager
def picture(path: Path, width: float, height: float, *, panels: int | None = None) -> Iterator[Any]:
    """Yield the axes of a figure of so many inches, and write it when they are filled.

    With `panels`, yield an array of so many axes, one above the other.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(panels or 1, figsize=(width, height), squeeze=panels is None)
    yield axes if panels is None else axes[:, 0]
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
