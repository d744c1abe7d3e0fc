"""The scheme that a layer gets when none is named."""

from __future__ import annotations

from mistique_core.quantizers.arguments import number_text

_EXACT_SHARE = 0.004


def default_scheme(row_values: int, network_values: int) -> str:
    """Return the scheme of a layer by its size: small layers exactly, large ones in coarse steps.

    Parameters
    ----------
    row_values
        Values of one row of the layer.
    network_values
        Values of one row of all layers of the network.
    """
    if row_values <= _EXACT_SHARE * network_values:
        return "lossless"
    return f"bounded({number_text(round(min(0.65, row_values**0.4 / 90), 3))})"
