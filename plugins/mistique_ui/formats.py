"""Numbers, sizes and times for people. Decimal units; times are UTC."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from typing import Any

from mistique_core.planner import plan

MISSING = "–"
_STEPS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def format_bytes(count: float | None) -> str:
    """Return a size such as ``1.2 MB``."""
    return MISSING if count is None else plan.format_bytes(count)


def format_seconds(seconds: float | None) -> str:
    """Return a duration such as ``3.4 ms``, ``1.20 s`` or ``2 min 05 s``."""
    if seconds is None:
        return MISSING
    if seconds >= 3_600:
        return f"{int(seconds // 3_600)} h {int(seconds % 3_600 // 60):02d} min"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    milliseconds = seconds * 1e3
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def format_estimate(seconds: float | None) -> str:
    """Return an estimate such as ``3.4 ms``; ``impossible`` where there is no way."""
    return "impossible" if seconds is None else format_seconds(seconds)


def format_time(moment: float | None) -> str:
    """Return a moment such as ``2026-03-01 12:00:05``; the page says that it is UTC."""
    return MISSING if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def format_iso(moment: float) -> str:
    """Return a moment for the ``datetime`` attribute of ``<time>``."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def format_ago(moment: float | None, now: float | None = None) -> str:
    """Return how long ago a moment was, such as ``3 h ago``."""
    if moment is None:
        return ""
    passed = (time.time() if now is None else now) - moment
    if passed < 1:
        return "now"
    size, unit = next(step for step in _STEPS if passed >= step[0])
    return f"{int(passed // size)} {unit} ago"


def format_number(value: Any) -> str:
    """Return a value for a table cell: four significant decimals for floats, text for anything else."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def format_cell(value: Any) -> str:
    """Return a value of an answer: integers as they are, since they may be ids; floats to six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else format_number(value)


def format_literal(value: Any) -> str:
    """Return a setting as a literal: ``none``, ``true``, numbers as they are."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def format_json(value: Any) -> str:
    """Return JSON over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def is_number(value: Any) -> bool:
    """Return whether a cell is set flush right."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_table(value: Any) -> bool:
    """Return whether a setting is a list of objects with the same keys, such as the layers of a network."""
    if not (isinstance(value, list) and value and all(isinstance(item, dict) for item in value)):
        return False
    return all(list(item) == list(value[0]) for item in value)
