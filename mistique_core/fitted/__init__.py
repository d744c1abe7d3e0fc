"""Fitted transformers and models as bytes, without pickle."""

from mistique_core.fitted.codec import FittedCodec, codec_for_format, find_codec, type_name
from mistique_core.fitted.registry import CODECS, dump_fitted, fitted_array, load_fitted
from mistique_core.fitted.weights_format import LayerWeights

__all__ = [
    "CODECS",
    "FittedCodec",
    "LayerWeights",
    "codec_for_format",
    "dump_fitted",
    "fitted_array",
    "find_codec",
    "load_fitted",
    "type_name",
]
