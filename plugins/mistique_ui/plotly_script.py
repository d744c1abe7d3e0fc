"""Plotly's script, from the installed package: pages load nothing from other hosts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def plotly_script() -> Path | None:
    """Return the script's file; ``None`` where Plotly is not installed."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        return None
    script = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return script if script.is_file() else None
