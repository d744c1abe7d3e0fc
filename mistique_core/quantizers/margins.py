"""Names of the parts that decoding does not need: they say how far off decoded values are."""

from __future__ import annotations

RADIUS = "radius"
"""Of each row, how far decoding moves it; see :mod:`mistique_core.quantizers.row_norms`."""
TAILS = "tails"
"""Of values in open bins, what they roughly are; see :class:`mistique_core.quantizers.kbit.FittedKBit`."""
MARGIN_PARTS = frozenset({RADIUS, TAILS})
