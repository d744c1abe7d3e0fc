"""How far a long piece of work has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total), in bytes or files."""


def no_progress(_done: int, _total: int) -> None:
    """Tell nobody."""
