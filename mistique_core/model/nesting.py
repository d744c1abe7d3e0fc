"""How deep values lie in one another: what follows them calls itself for each level, and Python bounds that."""

from __future__ import annotations

from typing import Any


def is_deeper(value: Any, levels: int) -> bool:
    """Return whether lists and mappings of a value lie in more than so many others."""
    layer = [value]
    for _ in range(levels + 1):
        inner = [item.values() if isinstance(item, dict) else item for item in layer if isinstance(item, dict | list)]
        layer = [child for items in inner for child in items]
        if not layer:
            return False
    return any(isinstance(item, dict | list) for item in layer)
