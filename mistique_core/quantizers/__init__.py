"""Lossy schemes: pure functions from arrays to smaller arrays and back, with stated error bounds."""

from mistique_core.quantizers.bounded import Bounded
from mistique_core.quantizers.default_scheme import default_scheme, exact_width
from mistique_core.quantizers.kbit import KBit
from mistique_core.quantizers.load import load_quantizer
from mistique_core.quantizers.low_precision import LowPrecision
from mistique_core.quantizers.parse import parse_scheme
from mistique_core.quantizers.pool import Pool
from mistique_core.quantizers.quantizer import Bounds, Centres, Encoded, FittedQuantizer, Quantizer
from mistique_core.quantizers.threshold import Threshold

__all__ = [
    "Bounded",
    "Bounds",
    "Centres",
    "Encoded",
    "FittedQuantizer",
    "KBit",
    "LowPrecision",
    "Pool",
    "Quantizer",
    "Threshold",
    "default_scheme",
    "exact_width",
    "load_quantizer",
    "parse_scheme",
]
