"""The codecs in the order in which they are asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.fitted.codec import FittedCodec, codec_for_format, find_codec
from mistique_core.fitted.json_format import JsonCodec
from mistique_core.fitted.lightgbm_format import LightGBMCodec
from mistique_core.fitted.sklearn_format import SklearnCodec
from mistique_core.fitted.weights_format import WeightsCodec
from mistique_core.fitted.xgboost_format import XGBoostCodec

CODECS: tuple[FittedCodec, ...] = (XGBoostCodec(), LightGBMCodec(), SklearnCodec(), WeightsCodec(), JsonCodec())


def dump_fitted(value: Any) -> tuple[str, bytes]:
    """Return the format's name and the bytes of a fitted object.

    Raises
    ------
    InvalidInputError
        If no codec stores objects of this type.
    """
    codec = find_codec(CODECS, value)
    return codec.format, codec.dump(value)


def fitted_array(format_name: str, data: bytes) -> npt.NDArray[Any]:
    """Return the bytes that :func:`dump_fitted` gave as they are stored: an array of what they mostly consist of."""
    return np.frombuffer(data, dtype=codec_for_format(CODECS, format_name).item)


def load_fitted(format_name: str, data: bytes) -> Any:
    """Return the fitted object behind `data`."""
    return codec_for_format(CODECS, format_name).load(data)
