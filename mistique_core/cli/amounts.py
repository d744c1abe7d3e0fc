"""Durations and sizes as people write them."""

from __future__ import annotations

import argparse
import re

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES = {"": 1, "B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_BYTES |= {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def seconds(text: str) -> float:
    """Parse ``90``, ``30m``, ``12h`` or ``3d``; used as an argparse type."""
    number, unit = _split(text)
    if unit not in _SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 30m, 12h or 3d")
    return number * _SECONDS[unit]


def size_bytes(text: str) -> int:
    """Parse ``1000``, ``8MiB`` or ``2GB``; used as an argparse type."""
    number, unit = _split(text)
    if unit not in _BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 500kB, 8MiB or 2GB")
    return int(number * _BYTES[unit])


def share(text: str) -> float:
    """Parse ``5%`` or ``0.05``; used as an argparse type."""
    number, unit = _split(text.removesuffix("%"))
    number = number / 100 if text.endswith("%") else number
    if unit or not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write 5% or 0.05")
    return number


def _split(text: str) -> tuple[float, str]:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return float(found[1]), found[2]
