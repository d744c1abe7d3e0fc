"""Few requests for many ranges: neighbours are fetched together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Span:
    """Bytes that one request fetches.

    Attributes
    ----------
    start, end
        ``[start, end)`` in the file.
    members
        Positions of the wanted ranges that lie in it.
    """

    start: int
    end: int
    members: list[int] = field(default_factory=list)


def coalesce(ranges: Sequence[tuple[int, int]], gap_bytes: int, span_bytes: int) -> list[Span]:
    """Return the spans that cover every non-empty range, in ascending order.

    Parameters
    ----------
    ranges
        Pairs of (offset, size), in any order.
    gap_bytes
        Ranges that are at most so far apart are fetched together.
    span_bytes
        Most bytes of a span, unless a single range is longer: several spans can be fetched at once.
    """
    spans: list[Span] = []
    for position in sorted(range(len(ranges)), key=lambda item: ranges[item]):
        offset, size = ranges[position]
        if not size:
            continue
        end = offset + size
        last = spans[-1] if spans else None
        if last is not None and offset - last.end <= gap_bytes and max(end, last.end) - last.start <= span_bytes:
            last.end = max(last.end, end)
            last.members.append(position)
        elif last is not None and end <= last.end:
            last.members.append(position)
        else:
            spans.append(Span(offset, end, [position]))
    return spans
