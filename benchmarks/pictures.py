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
def picture(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yield the axes of a figure of so many inches, and write it when they are filled."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height))
    yield axes
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
