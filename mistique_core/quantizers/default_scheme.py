"""The scheme of a network's layer when none is named: coarse steps where rows are wide, exact where they are narrow."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mistique_core.errors import InvalidInputError
from mistique_core.quantizers.arguments import is_integer

EXACT_SHARE = 0.02
"""The narrowest layers are kept exactly as long as all of them hold at most this share of the network's values."""
EXACT_VALUES = 64
"""Rows of up to so many values are always kept exactly: their fine steps would not reach far enough from zero."""
DIVISOR = 190.0
COARSEST = 0.85


def default_scheme(values_per_row: int, network: Iterable[int] = ()) -> str:
    """Return the text of the scheme for one layer of a network.

    ``lossless`` for narrow layers, otherwise ``bounded(E)`` with ``E = min(0.85, sqrt(values_per_row) / 190)``
    standard deviations. Rounding errors of a step are independent from value to value, so what they do to the distance
    of two rows shrinks with the square root of the row's length: a step that grows with it does the same to all layers.
    ``docs/activations.md`` has the measurements.

    The answer depends on shapes alone. It is the same whichever of the network's layers are captured, and however
    many rows.

    Parameters
    ----------
    values_per_row
        Numbers of one example in the layer: height x width x units, or units. From 1.
    network
        The same for every layer of the network, captured or not, in any order. Without it only rows of up to 64
        values count as narrow.

    Returns
    -------
    str
        A text for :func:`mistique_core.quantizers.parse_scheme`.

    Raises
    ------
    InvalidInputError
        If a number of values is no positive integer.
    """
    _check(values_per_row)
    if values_per_row <= exact_width(network):
        return "lossless"
    return f"bounded({min(COARSEST, math.sqrt(values_per_row) / DIVISOR):.3g})"


def exact_width(network: Iterable[int]) -> int:
    """Return how long a row may be to be kept exactly, in numbers.

    Parameters
    ----------
    network
        Numbers of one example in each layer of the network, in any order.

    Returns
    -------
    int
        The largest width for which all layers up to that width together hold at most 2 % of the network's values;
        at least 64.
    """
    widths = list(network)
    for width in widths:
        _check(width)
    widths.sort()
    most = sum(widths) * EXACT_SHARE
    found, total = EXACT_VALUES, 0
    for position, width in enumerate(widths):
        total += width
        if total > most:
            break
        if position + 1 == len(widths) or widths[position + 1] != width:
            found = max(found, width)
    return found


def _check(width: int) -> None:
    if not (is_integer(width) and width > 0):
        raise InvalidInputError(f"a layer cannot have {width!r} values a row; give the product of its shape, from 1")
