"""Names of the parts that decoding does not need: they say how far off decoded values are."""

from __future__ import annotations

RADIUS = "radius"
"""Of each row, how far decoding moves it; see :mod:`mistique_core.quantizers.row_norms`."""
TAILS = "tails"
"""Of values in open bins, what they roughly are; see :class:`mistique_core.quantizers.kbit.FittedKBit`."""
SKETCH = "sketch"
"""Of each wide row, numbers that bound products with its errors; see :mod:`mistique_core.quantizers.error_sketch`."""
MARGIN_PARTS = frozenset({RADIUS, TAILS, SKETCH})
