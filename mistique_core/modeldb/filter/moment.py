"""Dates in a filter: ``2026-11-01`` is that day, ``2026-11-01T12:00`` that minute, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII
)


def parse_moment(text: str) -> tuple[float, float] | None:
    """Return the first Unix second of what `text` names and the first one after it; ``None`` if it is no date.

    A date is a day long, a time to the minute a minute, a time to the second a second; with a fraction it is one
    moment, so that both are equal.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    hour, second = match.group(4), match.group(6)
    try:
        start = datetime.fromisoformat(match.group(0))
    except ValueError:
        return None
    if start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    if hour is None:
        length = timedelta(days=1)
    elif second is None:
        length = timedelta(minutes=1)
    else:
        length = timedelta(seconds=1) if "." not in second else timedelta()
    first = start.timestamp()
    return first, first + length.total_seconds()
