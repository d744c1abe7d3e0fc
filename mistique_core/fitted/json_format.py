"""Learned facts that are plain JSON: medians, category lists, thresholds."""

from __future__ import annotations

import json
from typing import Any


def _is_json(value: Any) -> bool:
    if value is None or isinstance(value, (str, bool, int, float)):
        return True
    if isinstance(value, list):
        return all(map(_is_json, value))
    return isinstance(value, dict) and all(isinstance(key, str) and _is_json(item) for key, item in value.items())


class JsonCodec:
    """Dicts, lists, strings, numbers, booleans and None; NaN and infinities included."""

    format = "json"
    item = "u1"

    def accepts(self, value: Any) -> bool:
        """See :class:`FittedCodec`."""
        return isinstance(value, (dict, list)) and _is_json(value)

    def dump(self, value: Any) -> bytes:
        """See :class:`FittedCodec`."""
        return json.dumps(value, separators=(",", ":")).encode("utf-8", "surrogatepass")

    def load(self, data: bytes) -> Any:
        """See :class:`FittedCodec`."""
        return json.loads(data.decode("utf-8", "surrogatepass"))
